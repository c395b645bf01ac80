//! Offers of ours in somebody's contract net: what we proposed, and what became of it.
use crate::{messages::delay, records, Event, Json, Message, News};
use alloc::{string::ToString, vec::Vec};

const OFFER: &str = "offer";

/// Offer to do what a cfp asks for; the offer holds for `hold` ms and is kept until then.
pub fn propose(m: &Message, content: Json, note: Json, hold: i64) -> Option<Message> {
    let data = Json::object([("content", content.clone()), ("note", note)]);
    if m.conversation.is_empty() || !records::put(OFFER, &m.conversation, &data, Some(hold)) {
        return m.refuse("no room for another offer");
    }
    let mut offer = m.reply("propose", content);
    offer.reply_with = "offer".to_string();
    offer.reply_by = delay(hold);
    Some(offer)
}

/// What a message means for our offers. After `Accepted` do the work and answer, or make a promise; `Cancelled` wants inform.
pub fn heard(m: &Message) -> Option<News> {
    let (conversation, data, over) = records::meant(OFFER, m)?;
    let event = match m.act.as_str() {
        _ if over => Event::Passed,
        "accept-proposal" => Event::Accepted,
        "reject-proposal" => Event::Rejected,
        "cancel" => Event::Cancelled,
        _ => return None,
    };
    records::drop(OFFER, &conversation);
    let (note, content) = (data.get("note").clone(), data.get("content").clone());
    Some(News { event, conversation, note, content, offers: Vec::new() })
}
