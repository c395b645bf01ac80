/* The message path of the WebAssembly sandbox in one native call: copy in, call, poll, read the result.
 *
 * `install(...)` replaces the method `handle` of a class of guests by one that does the same when nothing unusual
 * happens. Rules:
 * - The state is the guest's own: its slots are read and written in place, so Python sees at any moment, also from
 *   inside a host call, what it would see if Python had done the work.
 * - What is unusual is not handled here but by the guest's own functions, called where Python would call them:
 *   `handle` when nothing has been done yet, `_suspend` for a call that is not done, `response` for one that is.
 * - Bytes of the guest's memory are touched only inside the present view of it, and when the memory has the size of
 *   that view: it moves only when it grows.
 * - The GIL is held throughout; host calls come back through ctypes, in this thread, on the guest's own stack.
 */

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <structmember.h>

#define API 1 /* of `install`; caxton_plugins.sandboxes.wasm.native asks for it */

/* Of wasmtime's C API, by address: nothing is linked, so the library is the one wasmtime-py has loaded. */
typedef void *(*CallAsync)(void *context, const void *function, const void *arguments, size_t parameters,
                           void *results, size_t results_count, void **trap, void **error);
typedef bool (*Poll)(void *future);
typedef void (*Drop)(void *future);
typedef size_t (*MemorySize)(const void *context, const void *memory);

/* One process has one class of guests, so this is set once and never changes. */
static struct {
    CallAsync call_async;
    Poll poll;
    Drop drop;
    MemorySize memory_size;
    PyTypeObject *guest_type, *place_type, *turn_type;
    PyObject *handle, *suspend, *response; /* functions of guest_type */
    /* where the slots of a guest, of its place and of the turn are in their objects */
    Py_ssize_t room, future, inbox, view, place, turn, host_calls, throttled, largest;
    Py_ssize_t place_slots, turn_guest;
    /* where the parts of a frame are, in bytes */
    Py_ssize_t frame_size, context, message, message_size, result, result_value, trap, error, memory, function;
} it;

static PyObject *zero;

#define SLOT(object, offset) (*(PyObject **)((char *)(object) + (offset)))
#define AT(base, offset) ((void *)((char *)(base) + (offset)))

static void
put(PyObject *object, Py_ssize_t offset, PyObject *value)
{
    PyObject *old = SLOT(object, offset);
    Py_INCREF(value);
    SLOT(object, offset) = value;
    Py_XDECREF(old);
}

/* A view of bytes or of u64, with its place and size; NULL for anything else. */
static inline Py_buffer *
view_in(PyObject *object, Py_ssize_t offset)
{
    PyObject *view = SLOT(object, offset);
    return view != NULL && PyMemoryView_Check(view) ? PyMemoryView_GET_BUFFER(view) : NULL;
}

/* A number that is not negative; -1 for anything else. */
static inline Py_ssize_t
number_in(PyObject *object, Py_ssize_t offset)
{
    PyObject *number = SLOT(object, offset);
    if (number == NULL || !PyLong_Check(number)) {
        return -1;
    }
    Py_ssize_t value = PyLong_AsSsize_t(number);
    if (value < 0) {
        PyErr_Clear();
        return -1;
    }
    return value;
}

static PyObject *
handle(PyObject *self, PyObject *wire)
{
    PyObject *place = SLOT(self, it.place), *turn = SLOT(self, it.turn);
    Py_ssize_t inbox = number_in(self, it.inbox);
    Py_buffer *view = view_in(self, it.view), *frame;
    if (!PyBytes_CheckExact(wire) || PyBytes_GET_SIZE(wire) > number_in(self, it.room) || inbox < 0
        || SLOT(self, it.future) != zero || view == NULL || PyBytes_GET_SIZE(wire) > view->len - inbox
        || place == NULL || !Py_IS_TYPE(place, it.place_type) || turn == NULL || !Py_IS_TYPE(turn, it.turn_type)
        || (frame = view_in(place, it.place_slots)) == NULL || frame->len != it.frame_size) {
        return PyObject_CallFunctionObjArgs(it.handle, self, wire, NULL);
    }
    char *base = frame->buf;
    memcpy(AT(view->buf, inbox), PyBytes_AS_STRING(wire), (size_t)PyBytes_GET_SIZE(wire));
    *(uint64_t *)AT(base, it.message_size) = (uint64_t)PyBytes_GET_SIZE(wire);
    put(self, it.host_calls, zero);
    if (SLOT(turn, it.turn_guest) != self) {
        put(turn, it.turn_guest, self);
    }
    void *future = it.call_async(*(void **)AT(base, it.context), AT(base, it.function), AT(base, it.message), 2,
                                 AT(base, it.result), 1, AT(base, it.trap), AT(base, it.error));
    PyObject *number = PyLong_FromVoidPtr(future);
    if (number == NULL) {
        it.drop(future);
        return NULL;
    }
    put(self, it.future, number);
    Py_DECREF(number);
    /* What is left of the slice comes from the call before: give this one a whole slice of its own. */
    bool done = it.poll(future) || (SLOT(self, it.throttled) == Py_False && it.poll(future));
    if (PyErr_Occurred()) { /* as after every call through ctypes */
        return NULL;
    }
    if (!done) {
        return PyObject_CallOneArg(it.suspend, self);
    }
    it.drop(future);
    put(self, it.future, zero);
    /* While the guest ran its memory may have grown, and host calls have then looked at it anew. */
    uint64_t code = *(uint64_t *)AT(base, it.result_value) & UINT32_MAX;
    if (*(uint64_t *)AT(base, it.trap) == 0 && *(uint64_t *)AT(base, it.error) == 0
        && SLOT(self, it.throttled) == Py_False && (view = view_in(self, it.view)) != NULL && code <= 1
        && (inbox = number_in(self, it.inbox)) >= 0 && 8 <= view->len - inbox
        && it.memory_size(*(void **)AT(base, it.context), AT(base, it.memory)) == (size_t)view->len) {
        if (code == 0) {
            Py_RETURN_NONE;
        }
        uint32_t answer[2]; /* its address and size; the plugin admits little-endian machines only */
        memcpy(answer, AT(view->buf, inbox), sizeof answer);
        if ((uint64_t)answer[0] + answer[1] <= (uint64_t)view->len
            && (Py_ssize_t)answer[1] <= number_in(self, it.largest)) {
            return PyBytes_FromStringAndSize(AT(view->buf, answer[0]), answer[1]);
        }
    }
    return PyObject_CallOneArg(it.response, self);
}

PyDoc_STRVAR(handle_doc, "Give the guest one encoded message.");
static PyMethodDef method = {"handle", handle, METH_O, handle_doc};

/* Where a slot is in the objects of a class; -1 with an exception when it has none of this name. */
static Py_ssize_t
slot_of(PyTypeObject *type, const char *name)
{
    PyObject *found = PyObject_GetAttrString((PyObject *)type, name);
    if (found == NULL) {
        return -1;
    }
    Py_ssize_t offset = -1;
    if (Py_IS_TYPE(found, &PyMemberDescr_Type) && ((PyMemberDescrObject *)found)->d_member->type == T_OBJECT_EX) {
        offset = ((PyMemberDescrObject *)found)->d_member->offset;
    } else {
        PyErr_Format(PyExc_TypeError, "%s.%s is not a slot", type->tp_name, name);
    }
    Py_DECREF(found);
    return offset;
}

static bool
find_slots(void)
{
    const struct {
        PyTypeObject *type;
        const char *name;
        Py_ssize_t *offset;
    } wanted[] = {
        {it.guest_type, "room", &it.room},
        {it.guest_type, "future", &it.future},
        {it.guest_type, "inbox", &it.inbox},
        {it.guest_type, "view", &it.view},
        {it.guest_type, "place", &it.place},
        {it.guest_type, "turn", &it.turn},
        {it.guest_type, "host_calls", &it.host_calls},
        {it.guest_type, "throttled", &it.throttled},
        {it.guest_type, "largest", &it.largest},
        {it.place_type, "slots", &it.place_slots},
        {it.turn_type, "guest", &it.turn_guest},
    };
    for (size_t i = 0; i < Py_ARRAY_LENGTH(wanted); i++) {
        if ((*wanted[i].offset = slot_of(wanted[i].type, wanted[i].name)) < 0) {
            return false;
        }
    }
    PyObject *type = (PyObject *)it.guest_type;
    return (it.handle = PyObject_GetAttrString(type, "handle")) != NULL
        && (it.suspend = PyObject_GetAttrString(type, "_suspend")) != NULL
        && (it.response = PyObject_GetAttrString(type, "response")) != NULL;
}

PyDoc_STRVAR(install_doc,
             "install(guest, place, turn, functions, frame, /)\n--\n\n"
             "Replace the method `handle` of a class of guests; once in a process.\n\n"
             "guest, place, turn: the classes; functions: the addresses of wasmtime_func_call_async,\n"
             "wasmtime_call_future_poll, wasmtime_call_future_delete and wasmtime_memory_data_size;\n"
             "frame: its size, then where in it are context, message, the message's size, result, the\n"
             "result's value, trap, error, memory and the function to call, in bytes.");

static PyObject *
install(PyObject *Py_UNUSED(module), PyObject *args)
{
    PyTypeObject *guest, *place, *turn;
    unsigned long long call_async, poll, drop, memory_size;
    Py_ssize_t at[10];
    if (!PyArg_ParseTuple(args, "O!O!O!(KKKK)(nnnnnnnnnn)", &PyType_Type, &guest, &PyType_Type, &place, &PyType_Type,
                          &turn, &call_async, &poll, &drop, &memory_size, &at[0], &at[1], &at[2], &at[3], &at[4],
                          &at[5], &at[6], &at[7], &at[8], &at[9])) {
        return NULL;
    }
    if (it.guest_type != NULL) {
        PyErr_SetString(PyExc_RuntimeError, "it is installed already");
        return NULL;
    }
    for (size_t i = 1; i < Py_ARRAY_LENGTH(at); i++) {
        if (at[i] < 0 || at[i] % 8 != 0 || at[i] > at[0] - 8) {
            PyErr_SetString(PyExc_ValueError, "a part of the frame is outside it");
            return NULL;
        }
    }
    it.guest_type = (PyTypeObject *)Py_NewRef(guest);
    it.place_type = (PyTypeObject *)Py_NewRef(place);
    it.turn_type = (PyTypeObject *)Py_NewRef(turn);
    it.call_async = (CallAsync)(uintptr_t)call_async;
    it.poll = (Poll)(uintptr_t)poll;
    it.drop = (Drop)(uintptr_t)drop;
    it.memory_size = (MemorySize)(uintptr_t)memory_size;
    it.frame_size = at[0], it.context = at[1], it.message = at[2], it.message_size = at[3], it.result = at[4];
    it.result_value = at[5], it.trap = at[6], it.error = at[7], it.memory = at[8], it.function = at[9];
    PyObject *made = find_slots() ? PyDescr_NewMethod(guest, &method) : NULL;
    if (made != NULL && PyObject_SetAttrString((PyObject *)guest, "handle", made) == 0) {
        Py_DECREF(made);
        Py_RETURN_NONE;
    }
    Py_XDECREF(made);
    Py_CLEAR(it.guest_type);
    Py_CLEAR(it.place_type);
    Py_CLEAR(it.turn_type);
    Py_CLEAR(it.handle);
    Py_CLEAR(it.suspend);
    Py_CLEAR(it.response);
    return NULL;
}

static PyMethodDef functions[] = {
    {"install", install, METH_VARARGS, install_doc},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT,
    .m_name = "caxton_native",
    .m_doc = "The message path of Caxton's WebAssembly sandbox, compiled.",
    .m_size = -1, /* one for the process: a subinterpreter does without */
    .m_methods = functions,
};

PyMODINIT_FUNC
PyInit_caxton_native(void)
{
    PyObject *module = PyModule_Create(&definition);
    zero = PyLong_FromLong(0);
    if (module == NULL || zero == NULL || PyModule_AddIntMacro(module, API) < 0) {
        Py_XDECREF(module);
        return NULL;
    }
    return module;
}
