//! Subscribers of ours: whom we keep informed. They are kept in the durable state, as many as one step may inform.
//!
//! A subscriber that can't be reached misses a notification; after ten in a row, or when its conversation is over, it is
//! forgotten.
use crate::{keep, kept, now, records, send, Json, Message, Refusal};
use alloc::{string::String, string::ToString, vec::Vec};

const KEY: &str = "caxton/subscribers";
/// The default of the manifest's `fan_out`.
const MOST: usize = 100;
const PATIENCE: i64 = 10;

fn subscribers() -> Vec<(String, Json)> {
    match kept(KEY) {
        Some(Json::Object(members)) => {
            members.into_iter().filter(|(_, one)| one.get("until").as_i64() > Some(now())).collect()
        }
        _ => Vec::new(),
    }
}

fn subscriber(to: &str, token: &str, until: i64, missed: i64) -> Json {
    Json::object([("to", to.into()), ("token", token.into()), ("until", until.into()), ("missed", missed.into())])
}

/// Take a subscriber on; what this returns is the answer. In this step the agree comes last: notify from the next one on.
pub fn accept(m: &Message) -> Option<Message> {
    let mut known = subscribers();
    let until = now() + records::TTL_MS;
    let room = known.len() < MOST && !m.conversation.is_empty();
    known.push((m.conversation.clone(), subscriber(&m.reply_to, m.token(), until, 0)));
    if room && keep(KEY, &Json::Object(known)) { m.agree() } else { m.refuse("no room for another subscriber") }
}

/// Was this the cancel of a subscription? Then it is forgotten, and wants inform as its answer.
pub fn left(m: &Message) -> bool {
    if !m.is("cancel") {
        return false;
    }
    let mut known = subscribers();
    let before = known.len();
    known.retain(|(conversation, _)| *conversation != m.conversation);
    known.len() < before && keep(KEY, &Json::Object(known))
}

/// Inform every subscriber, and return how many could not be reached this time.
pub fn inform(content: &Json) -> usize {
    let (mut known, mut missing) = (Vec::new(), 0);
    for (conversation, one) in subscribers() {
        let field = |name: &str| one.get(name).as_str().unwrap_or("").to_string();
        let mut message = Message::new("inform", content.clone());
        message.receivers.push(field("to"));
        message.conversation = conversation.clone();
        message.in_reply_to = field("token");
        let sent = send(&message);
        let missed = if sent.is_ok() { 0 } else { one.get("missed").as_i64().unwrap_or(0) + 1 };
        missing += sent.is_err() as usize;
        if sent != Err(Refusal::NotAdmitted) && missed < PATIENCE {
            let until = one.get("until").as_i64().unwrap_or(0);
            known.push((conversation, subscriber(&field("to"), &field("token"), until, missed)));
        }
    }
    assert!(keep(KEY, &Json::Object(known)), "the durable state is full");
    missing
}
