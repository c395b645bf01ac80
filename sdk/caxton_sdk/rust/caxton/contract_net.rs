//! Contract nets that we call: who does it best?
//!
//! `Choice` when all have answered or their time is over, `Nobody` when none of them made an offer; after the award `Done`,
//! `Failed` or `Expired`, and that is the end.
use crate::{messages::delay, new_id, records, send, Event, Json, Message, News, Refusal};
use alloc::{string::String, string::ToString, vec::Vec};

const NET: &str = "contract-net";

/// What somebody proposed.
#[derive(Clone, Debug)]
pub struct Offer {
    pub sender: String,
    pub content: Json,
    pub token: String,
}

impl Offer {
    fn read(value: &Json) -> Offer {
        let field = |name: &str| value.get(name).as_str().unwrap_or("").to_string();
        Offer { sender: field("sender"), content: value.get("content").clone(), token: field("token") }
    }

    fn write(&self) -> Json {
        Json::object([
            ("sender", self.sender.as_str().into()),
            ("content", self.content.clone()),
            ("token", self.token.as_str().into()),
        ])
    }
}

struct Call {
    state: String,
    left: i64,
    answered: Vec<Json>,
    offers: Vec<Offer>,
    note: Json,
}

impl Call {
    fn read(data: &Json) -> Call {
        Call {
            state: data.get("state").as_str().unwrap_or("").to_string(),
            left: data.get("left").as_i64().unwrap_or(0),
            answered: data.get("answered").as_list().to_vec(),
            offers: data.get("offers").as_list().iter().map(Offer::read).collect(),
            note: data.get("note").clone(),
        }
    }

    fn write(&self) -> Json {
        Json::object([
            ("state", self.state.as_str().into()),
            ("left", self.left.into()),
            ("answered", Json::List(self.answered.clone())),
            ("offers", Json::List(self.offers.iter().map(Offer::write).collect())),
            ("note", self.note.clone()),
        ])
    }

    /// Note an answer to the call.
    fn note(&mut self, m: &Message) {
        let who = Json::from(m.sender.as_str());
        if m.is_from_platform() {
            // The platform does not say in whose name it speaks: each of its failures is a receiver it did not reach.
            self.left -= m.is("failure") as i64;
        } else if self.answered.contains(&who) {
            // The leg closed under an offer: it is void.
            self.offers.retain(|offer| offer.sender != m.sender);
        } else {
            self.left -= 1;
            self.answered.push(who);
            if m.is("propose") {
                let (sender, token) = (m.sender.clone(), m.token().to_string());
                self.offers.push(Offer { sender, content: m.content.clone(), token });
            }
        }
    }
}

/// Call agents for offers that are due in `wait` ms; `note` comes back with the news.
pub fn call(receivers: &[&str], content: Json, note: Json, wait: i64) -> Result<String, Refusal> {
    let mut message = Message::new("cfp", content);
    message.receivers = receivers.iter().map(|name| name.to_string()).collect();
    message.protocol = "fipa-contract-net".to_string();
    message.conversation = new_id();
    message.reply_with = "opening".to_string();
    message.reply_by = delay(wait);
    let left = receivers.len() as i64;
    let net = Call { state: "collecting".to_string(), left, answered: Vec::new(), offers: Vec::new(), note };
    if !records::put(NET, &message.conversation, &net.write(), Some(wait)) {
        return Err(Refusal::NotKept);
    }
    if let Err(refusal) = send(&message) {
        records::drop(NET, &message.conversation);
        return Err(refusal);
    }
    Ok(message.conversation)
}

fn decide(conversation: &str, offer: &Offer, act: &str, content: Json, wait: Option<i64>) -> Result<(), Refusal> {
    let mut message = Message::new(act, content);
    message.receivers.push(offer.sender.clone());
    message.conversation = conversation.to_string();
    message.in_reply_to = offer.token.clone();
    if let Some(wait) = wait {
        message.reply_with = "award".to_string();
        message.reply_by = delay(wait);
    }
    send(&message)
}

fn choice(conversation: &str) -> Option<Call> {
    let net = Call::read(&records::find(NET, conversation)?.data);
    if net.state == "choice" { Some(net) } else { None }
}

/// Give the work to an offer, and reject the others; the result is due in `wait` ms. When the winner is gone nothing is
/// changed, and another offer may be chosen.
pub fn award(conversation: &str, offer: &Offer, content: Json, wait: i64) -> Result<(), Refusal> {
    let mut net = choice(conversation).ok_or(Refusal::NotAdmitted)?;
    decide(conversation, offer, "accept-proposal", content, Some(wait))?;
    for other in net.offers.iter().filter(|other| other.sender != offer.sender) {
        // A loser that is gone need not be told.
        let _ = decide(conversation, other, "reject-proposal", "another offer is better".into(), None);
    }
    net.state = "awarded".to_string();
    net.offers.clear();
    records::must_put(NET, conversation, &net.write(), Some(wait));
    Ok(())
}

/// Take no offer at all.
pub fn reject_all(conversation: &str, reason: Json) -> Result<(), Refusal> {
    let net = choice(conversation).ok_or(Refusal::NotAdmitted)?;
    for offer in &net.offers {
        let _ = decide(conversation, offer, "reject-proposal", reason.clone(), None);
    }
    records::drop(NET, conversation);
    Ok(())
}

/// What a message means for our calls.
pub fn heard(m: &Message) -> Option<News> {
    let (conversation, data, over) = records::meant(NET, m)?;
    let mut net = Call::read(&data);
    let content = if over { Json::Null } else { m.content.clone() };
    let mut news = News { event: Event::Expired, conversation, note: net.note.clone(), content, offers: Vec::new() };
    if net.state == "collecting" {
        if over {
            net.left = 0;
        } else if m.in_reply_to == "opening" {
            net.note(m);
        } else {
            return None;
        }
        if net.left > 0 {
            records::must_put(NET, &news.conversation, &net.write(), None);
            return None;
        }
        news.content = Json::Null;
        if !net.offers.is_empty() {
            // The choice may be put off, but not for ever.
            net.state = "choice".to_string();
            records::must_put(NET, &news.conversation, &net.write(), Some(records::TTL_MS));
            news.event = Event::Choice;
            news.offers = net.offers;
            return Some(news);
        }
        news.event = Event::Nobody;
    } else if !over {
        if net.state != "awarded" || m.in_reply_to != "award" {
            return None;
        }
        news.event = match m.act.as_str() {
            "inform" => Event::Done,
            "failure" => Event::Failed,
            _ if !m.is_from_platform() => Event::Failed,
            _ => return None,
        };
    }
    records::drop(NET, &news.conversation);
    Some(news)
}
