// Just enough JSON for ACL messages. The host has checked the text, so it is valid; values stay raw text.

function isBlank(code: i32): bool {
  return code == 32 || code == 10 || code == 13 || code == 9;
}

function skip(json: string, from: i32): i32 {
  while (from < json.length && isBlank(json.charCodeAt(from))) from++;
  return from;
}

/** The index after the value that begins at `from`. */
function after(json: string, from: i32): i32 {
  let depth = 0;
  for (let i = from; i < json.length; i++) {
    const code = json.charCodeAt(i);
    if (code == 34) {
      for (i++; i < json.length && json.charCodeAt(i) != 34; i++) if (json.charCodeAt(i) == 92) i++;
      if (depth == 0) return i + 1;
    } else if (code == 123 || code == 91) {
      depth++;
    } else if (code == 125 || code == 93) {
      if (depth == 0) return i;
      if (--depth == 0) return i + 1;
    } else if (depth == 0 && (code == 44 || isBlank(code))) {
      return i;
    }
  }
  return json.length;
}

/** Does the string between two indices, quotes included, say `name`? */
function says(json: string, from: i32, until: i32, name: string): bool {
  if (until - from != name.length + 2) return false;
  for (let i = 0; i < name.length; i++) if (json.charCodeAt(from + 1 + i) != name.charCodeAt(i)) return false;
  return true;
}

/** The raw value of an object's member, strings with their quotes; "" when absent. */
export function member(object: string, name: string): string {
  let at = skip(object, 0) + 1;
  while (true) {
    const from = skip(object, at);
    if (from >= object.length || object.charCodeAt(from) != 34) return "";
    const until = after(object, from);
    const value = skip(object, skip(object, until) + 1);
    const end = after(object, value);
    if (says(object, from, until, name)) return object.substring(value, end);
    at = skip(object, end) + 1;
  }
}

/** The raw elements of an array. */
export function elements(array: string): string[] {
  const found: string[] = [];
  let at = skip(array, 0) + 1;
  while (true) {
    const from = skip(array, at);
    if (from >= array.length || array.charCodeAt(from) == 93) return found;
    const end = after(array, from);
    found.push(array.substring(from, end));
    at = skip(array, end) + 1;
  }
}

export function integer(object: string, name: string): i64 {
  return I64.parseInt(member(object, name));
}

/** Is the raw value a whole number, of at most 18 digits? */
export function isInteger(value: string): bool {
  const first = value.startsWith("-") ? 1 : 0;
  for (let i = first; i < value.length; i++) if (value.charCodeAt(i) < 48 || value.charCodeAt(i) > 57) return false;
  return value.length > first && value.length - first <= 18;
}

/** Is the raw value this string, or this literal? */
export function is(value: string, word: string): bool {
  return says(value, 0, value.length, word);
}

/** A text as a JSON string. The texts of names, ids and tokens need no other escapes. */
export function quoted(words: string): string {
  return '"' + words.replaceAll("\\", "\\\\").replaceAll('"', '\\"') + '"';
}

/** What a JSON string says, when only quotes and backslashes are escaped in it. */
export function unquoted(value: string): string {
  let words = "";
  for (let i = 1; i < value.length - 1; i++) {
    if (value.charCodeAt(i) == 92) i++;
    words += value.charAt(i);
  }
  return words;
}
