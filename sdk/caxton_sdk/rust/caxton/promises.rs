//! What an agent has agreed to do and has not done yet: whom it owes an answer, kept over restarts.
use crate::{records, send, Event, Json, Message, News, Refusal};
use alloc::{string::ToString, vec::Vec};

const PROMISE: &str = "promise";

/// Take work on, to be answered later; what this returns, the agree, is the answer.
pub fn promise(m: &Message, note: Json) -> Option<Message> {
    let data = Json::object([
        ("to", m.reply_to.as_str().into()),
        ("token", m.token().into()),
        ("protocol", m.protocol.as_str().into()),
        ("note", note),
    ]);
    let taken = m.conversation.is_empty() || records::find(PROMISE, &m.conversation).is_some();
    if taken || !records::put(PROMISE, &m.conversation, &data, Some(records::TTL_MS)) {
        return m.refuse("no room for another promise");
    }
    // Who accepts a proposal, or asks without a protocol, expects no agree.
    if m.protocol.is_empty() || m.is("accept-proposal") { None } else { m.agree() }
}

/// Give the result that is owed; false when none is owed any more.
pub fn keep_promise(conversation: &str, content: Json) -> Result<bool, Refusal> {
    answer(conversation, "inform", content)
}

/// Say that it could not be done; false when no answer is owed any more.
pub fn break_promise(conversation: &str, reason: Json) -> Result<bool, Refusal> {
    answer(conversation, "failure", reason)
}

fn answer(conversation: &str, act: &str, content: Json) -> Result<bool, Refusal> {
    let data = match records::find(PROMISE, conversation) {
        Some(record) => record.data,
        None => return Ok(false),
    };
    let field = |name: &str| data.get(name).as_str().unwrap_or("").to_string();
    let mut message = Message::new(act, content);
    message.receivers.push(field("to"));
    message.conversation = conversation.to_string();
    message.in_reply_to = field("token");
    message.protocol = field("protocol");
    let sent = send(&message);
    // A full mailbox, or a limit on what one step may send, passes: the promise stands, and may be tried again.
    if let Err(refusal @ (Refusal::MailboxFull | Refusal::OverLimit)) = sent {
        return Err(refusal);
    }
    records::drop(PROMISE, conversation);
    Ok(sent.is_ok())
}

/// Was a promise taken back, which wants inform as its answer, or is its time over?
pub fn heard(m: &Message) -> Option<News> {
    let (conversation, data, over) = records::meant(PROMISE, m)?;
    if !over && !m.is("cancel") {
        return None;
    }
    records::drop(PROMISE, &conversation);
    let event = if over { Event::Expired } else { Event::Cancelled };
    Some(News { event, conversation, note: data.get("note").clone(), content: Json::Null, offers: Vec::new() })
}
