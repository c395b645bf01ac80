//! The guest side of Caxton's ABI, version 1: what the host offers, with Rust's types.
use crate::json::Json;
use alloc::{string::String, vec, vec::Vec};

#[link(wasm_import_module = "caxton")]
extern "C" {
    #[link_name = "send"]
    fn host_send(at: *const u8, length: usize) -> i32;
    #[link_name = "log"]
    fn host_log(level: i32, at: *const u8, length: usize);
    fn now_ms() -> i64;
    #[link_name = "random"]
    fn host_random(at: *mut u8, length: usize);
    fn state_get(key: *const u8, key_length: usize, value: *mut u8, capacity: usize) -> i32;
    fn state_put(key: *const u8, key_length: usize, value: *const u8, length: usize) -> i32;
    fn state_delete(key: *const u8, key_length: usize) -> i32;
    #[link_name = "set_timer"]
    fn host_set_timer(delay: i64, at: *const u8, length: usize) -> i32;
    #[link_name = "cancel_timer"]
    fn host_cancel_timer(timer: i32) -> i32;
}

#[derive(Clone, Copy)]
pub enum Level {
    Trace,
    Debug,
    Info,
    Warning,
    Error,
}

/// A buffer that belongs to the host until the next call; the host asks again only for a larger one.
pub fn inbox(length: u32) -> usize {
    let buffer = vec![0u8; (length as usize).max(8)].into_boxed_slice();
    alloc::boxed::Box::leak(buffer).as_ptr() as usize
}

/// The text at an address that the host has written to.
pub fn text_at(pointer: usize, length: u32) -> String {
    // The host says where its text is, and does not write again before the call ends.
    let bytes = unsafe { core::slice::from_raw_parts(pointer as *const u8, length as usize) };
    String::from_utf8_lossy(bytes).into_owned()
}

static mut RESPONSE: Option<String> = None;

/// Leave a response: its place goes over the first 8 bytes of the message that was given.
pub fn respond(inbox: usize, response: String) -> i32 {
    let place = [response.as_ptr() as u32, response.len() as u32];
    // There is one thread, and the host copies the response at once: it must outlive this call and no longer.
    unsafe {
        *core::ptr::addr_of_mut!(RESPONSE) = Some(response);
        core::ptr::write_unaligned(inbox as *mut [u32; 2], place);
    }
    1
}

/// Queue a message, written as JSON: 0, or the reason why it was not sent.
pub fn send(message: &str) -> i32 {
    unsafe { host_send(message.as_ptr(), message.len()) }
}

/// Write a line into the agent's log.
pub fn log(level: Level, line: &str) {
    unsafe { host_log(level as i32, line.as_ptr(), line.len()) }
}

/// The time at which this step began, in milliseconds since the epoch.
pub fn now() -> i64 {
    unsafe { now_ms() }
}

/// Random bytes of this step's stream.
pub fn random(size: usize) -> Vec<u8> {
    let mut bytes = vec![0u8; size];
    unsafe { host_random(bytes.as_mut_ptr(), size) };
    bytes
}

/// An identifier that nobody else has.
pub fn new_id() -> String {
    let digits = |byte: u8| [byte >> 4, byte & 15];
    random(16).into_iter().flat_map(digits).filter_map(|digit| char::from_digit(digit as u32, 16)).collect()
}

/// Read a durable value as it is stored.
pub fn kept_bytes(key: &str) -> Option<Vec<u8>> {
    let mut room = vec![0u8; 1024];
    loop {
        let length = unsafe { state_get(key.as_ptr(), key.len(), room.as_mut_ptr(), room.len()) };
        if length < 0 {
            return None;
        }
        if length as usize <= room.len() {
            room.truncate(length as usize);
            return Some(room);
        }
        room = vec![0u8; length as usize];
    }
}

/// Keep bytes; false over the quota.
pub fn keep_bytes(key: &str, value: &[u8]) -> bool {
    unsafe { state_put(key.as_ptr(), key.len(), value.as_ptr(), value.len()) == 0 }
}

/// Read a durable value.
pub fn kept(key: &str) -> Option<Json> {
    Json::parse(&String::from_utf8(kept_bytes(key)?).ok()?)
}

/// Keep a value; false over the quota. Keys that begin with `caxton/` are the library's own.
#[must_use]
pub fn keep(key: &str, value: &Json) -> bool {
    keep_bytes(key, value.text().as_bytes())
}

/// Forget a value.
pub fn forget(key: &str) {
    unsafe { state_delete(key.as_ptr(), key.len()) };
}

/// Ask for a message that brings a name and a value; None over 1,000 timers or 4 KiB. See `Message::rung`.
pub fn set_timer(delay_ms: i64, name: &str, content: Json) -> Option<i32> {
    let payload = Json::List(vec![name.into(), content]).text();
    let timer = unsafe { host_set_timer(delay_ms, payload.as_ptr(), payload.len()) };
    if timer < 0 { None } else { Some(timer) }
}

/// Take a timer back.
pub fn cancel_timer(timer: i32) {
    unsafe { host_cancel_timer(timer) };
}
