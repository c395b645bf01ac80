//! Requests and subscriptions of ours: one conversation that we opened, with one partner.
//!
//! Opening returns the conversation's id, or why it could not be opened; then nothing is kept. Every message is shown to
//! `request_heard` and `subscription_heard`, which say what it means; None means that it is not theirs.
use crate::{messages::delay, new_id, records, send, Event, Json, Message, News, Refusal};
use alloc::{string::String, string::ToString, vec::Vec};

const REQUEST: &str = "request";
const SUBSCRIPTION: &str = "subscription";

/// Request something; an answer, be it only an agree, is due in `wait` ms. `note` comes back with the news.
pub fn ask(receiver: &str, content: Json, note: Json, wait: i64) -> Result<String, Refusal> {
    open(REQUEST, "fipa-request", "request", receiver, content, note, wait)
}

/// Subscribe; an answer is due in `wait` ms. A subscription lasts no longer than a conversation: when it expired, do so anew.
pub fn subscribe(publisher: &str, content: Json, note: Json, wait: i64) -> Result<String, Refusal> {
    open(SUBSCRIPTION, "fipa-subscribe", "subscribe", publisher, content, note, wait)
}

/// A record of a conversation that stands like this.
fn kept(state: &str, note: &Json, partner: &Json) -> Json {
    Json::object([("state", state.into()), ("note", note.clone()), ("partner", partner.clone())])
}

fn open(
    kind: &str, protocol: &str, act: &str, partner: &str, content: Json, note: Json, wait: i64,
) -> Result<String, Refusal> {
    let mut message = Message::new(act, content);
    message.receivers.push(partner.to_string());
    message.protocol = protocol.to_string();
    message.conversation = new_id();
    message.reply_with = "opening".to_string();
    message.reply_by = delay(wait);
    if !records::put(kind, &message.conversation, &kept("asked", &note, &partner.into()), Some(wait)) {
        return Err(Refusal::NotKept);
    }
    if let Err(refusal) = send(&message) {
        records::drop(kind, &message.conversation);
        return Err(refusal);
    }
    Ok(message.conversation)
}

/// Take a request or a subscription back; without an answer in `wait` ms it counts as cancelled. False when it is over.
pub fn cancel(conversation: &str, wait: i64) -> Result<bool, Refusal> {
    for kind in [REQUEST, SUBSCRIPTION] {
        if let Some(record) = records::find(kind, conversation) {
            let mut message = Message::new("cancel", Json::Null);
            message.receivers.push(record.data.get("partner").as_str().unwrap_or("").to_string());
            message.conversation = conversation.to_string();
            message.reply_with = "cancel".to_string();
            message.reply_by = delay(wait);
            send(&message)?;
            let known = kept("cancelling", record.data.get("note"), record.data.get("partner"));
            records::must_put(kind, conversation, &known, Some(wait));
            return Ok(true);
        }
    }
    Ok(false)
}

/// What a message means for the requests of ours.
pub fn request_heard(m: &Message) -> Option<News> {
    heard(REQUEST, m)
}

/// What a message means for the subscriptions of ours; `Informed` is a notification.
pub fn subscription_heard(m: &Message) -> Option<News> {
    heard(SUBSCRIPTION, m)
}

fn heard(kind: &str, m: &Message) -> Option<News> {
    let (conversation, data, over) = records::meant(kind, m)?;
    let state = data.get("state").as_str().unwrap_or("");
    let (event, ends) = meaning(kind, state, m, over)?;
    if ends {
        records::drop(kind, &conversation);
    } else if event == Event::CancelRefused || state == "asked" {
        // It was answered in time; from here on only the conversation's own time limits it.
        let known = kept("open", data.get("note"), data.get("partner"));
        records::must_put(kind, &conversation, &known, Some(records::TTL_MS));
    }
    let content = if over { Json::Null } else { m.content.clone() };
    Some(News { event, conversation, note: data.get("note").clone(), content, offers: Vec::new() })
}

/// What happened, and whether that is the end.
fn meaning(kind: &str, state: &str, m: &Message, over: bool) -> Option<(Event, bool)> {
    if over {
        return Some((if state == "cancelling" { Event::Cancelled } else { Event::Expired }, true));
    }
    if m.in_reply_to == "cancel" && !m.is_from_platform() {
        let done = m.is("inform");
        return Some((if done { Event::Cancelled } else { Event::CancelRefused }, done));
    }
    match m.act.as_str() {
        "agree" => Some((Event::Agreed, false)),
        "inform" => Some((Event::Informed, kind == REQUEST)),
        "refuse" => Some((Event::Refused, true)),
        "failure" => Some((Event::Failed, true)),
        "not-understood" if !m.is_from_platform() => Some((Event::NotUnderstood, true)),
        _ => None,
    }
}
