//! What must be known of a conversation after a restart, and until when: a record in the durable state.
//!
//! A record and its timer are written in the step in which it is spoken about, so they never disagree with what was sent.
use crate::{cancel_timer, forget, keep, kept, now, set_timer, Json, Message};
use alloc::{format, string::String, string::ToString, vec};

/// The node's `runtime.conversation_ttl`: no conversation lasts longer.
pub const TTL_MS: i64 = 86_400_000;
const TIMER: &str = "caxton/conversation";

pub struct Record {
    pub data: Json,
    pub timer: i64,
    pub due: i64,
}

fn key(kind: &str, conversation: &str) -> String {
    format!("{}/{}/{}", TIMER, kind, conversation)
}

/// The record of a conversation.
pub fn find(kind: &str, conversation: &str) -> Option<Record> {
    if conversation.is_empty() {
        return None;
    }
    let whole = kept(&key(kind, conversation))?;
    let number = |name: &str| whole.get(name).as_i64().unwrap_or(0);
    Some(Record { timer: number("timer"), due: number("due"), data: whole.get("data").clone() })
}

/// Write a record that is due in `wait` ms, or, with None, when it was before; false, and nothing is changed, without room.
#[must_use]
pub fn put(kind: &str, conversation: &str, data: &Json, wait: Option<i64>) -> bool {
    let old = find(kind, conversation);
    let (mut timer, mut due) = old.as_ref().map_or((0, 0), |record| (record.timer, record.due));
    if let Some(wait) = wait {
        // What comes exactly in time is in time: the timer rings after it.
        due = now() + wait + 1;
        let content = Json::List(vec![kind.into(), conversation.into(), due.into()]);
        timer = match set_timer(wait + 1, TIMER, content) {
            Some(number) => number as i64,
            None => return false,
        };
    }
    let record = Json::object([("data", data.clone()), ("timer", timer.into()), ("due", due.into())]);
    if !keep(&key(kind, conversation), &record) {
        if wait.is_some() {
            cancel_timer(timer as i32);
        }
        return false;
    }
    match old {
        Some(record) if record.timer != timer => cancel_timer(record.timer as i32),
        _ => {}
    }
    true
}

/// Write a record that must be written: where it can't be, the whole step is undone.
pub fn must_put(kind: &str, conversation: &str, data: &Json, wait: Option<i64>) {
    assert!(put(kind, conversation, data, wait), "the durable state is full");
}

/// Forget a record, and its timer.
pub fn drop(kind: &str, conversation: &str) {
    if let Some(record) = find(kind, conversation) {
        cancel_timer(record.timer as i32);
        forget(&key(kind, conversation));
    }
}

/// Which conversation a message is about, what is known of it, and whether it is its time that is over.
pub fn meant(kind: &str, m: &Message) -> Option<(String, Json, bool)> {
    match m.rung() {
        Some(rung) if rung.name == TIMER => {
            let told = rung.content.as_list();
            if told.len() != 3 || told[0].as_str() != Some(kind) {
                return None;
            }
            let conversation = told[1].as_str()?.to_string();
            let record = find(kind, &conversation)?;
            // A record that was written anew since has another time; this is the old timer, too late to be cancelled.
            if Some(record.due) == told[2].as_i64() { Some((conversation, record.data, true)) } else { None }
        }
        Some(_) => None,
        None => find(kind, &m.conversation).map(|record| (m.conversation.clone(), record.data, false)),
    }
}
