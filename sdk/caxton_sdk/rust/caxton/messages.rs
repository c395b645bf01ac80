//! ACL messages: what came in, and what is said.
use crate::{host, Json};
use alloc::{format, string::String, string::ToString, vec::Vec};

/// Why a message was not sent; `NotKept` when it was not even tried, since the durable state or the timers had no room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    Invalid,
    NoSuchReceiver,
    MailboxFull,
    NotAllowed,
    NotAdmitted,
    TooLarge,
    OverLimit,
    NotKept,
}

/// One message. What is empty, or null, is left out.
#[derive(Clone, Debug)]
pub struct Message {
    pub act: String,
    pub sender: String,
    pub receivers: Vec<String>,
    pub content: Json,
    pub ontology: String,
    pub protocol: String,
    pub conversation: String,
    pub in_reply_to: String,
    pub reply_with: String,
    pub reply_by: String,
    /// Whom an answer goes to: the message's reply_to, else its sender.
    pub reply_to: String,
    pub id: String,
}

/// A timer that has rung.
pub struct Rung {
    pub name: String,
    pub content: Json,
}

fn names(value: &Json) -> Vec<String> {
    match value {
        Json::Text(name) => alloc::vec![name.clone()],
        Json::List(items) => items.iter().filter_map(|item| item.as_str().map(String::from)).collect(),
        _ => Vec::new(),
    }
}

impl Message {
    /// A message of an act, to nobody yet.
    pub fn new(act: &str, content: Json) -> Message {
        Message {
            act: act.to_string(),
            content,
            sender: String::new(),
            receivers: Vec::new(),
            ontology: String::new(),
            protocol: String::new(),
            conversation: String::new(),
            in_reply_to: String::new(),
            reply_with: String::new(),
            reply_by: String::new(),
            reply_to: String::new(),
            id: String::new(),
        }
    }

    fn read(whole: &Json) -> Message {
        let field = |name: &str| whole.get(name).as_str().unwrap_or("").to_string();
        let sender = field("sender");
        let reply_to = names(whole.get("reply_to")).into_iter().next().unwrap_or_else(|| sender.clone());
        Message {
            act: field("performative"),
            receivers: names(whole.get("receiver")),
            content: whole.get("content").clone(),
            ontology: field("ontology"),
            protocol: field("protocol"),
            conversation: field("conversation_id"),
            in_reply_to: field("in_reply_to"),
            reply_with: field("reply_with"),
            reply_by: field("reply_by"),
            id: field("id"),
            reply_to,
            sender,
        }
    }

    fn write(&self) -> String {
        let mut members = alloc::vec![("performative".to_string(), Json::Text(self.act.clone()))];
        let fields = [
            ("ontology", &self.ontology),
            ("protocol", &self.protocol),
            ("conversation_id", &self.conversation),
            ("in_reply_to", &self.in_reply_to),
            ("reply_with", &self.reply_with),
            ("reply_by", &self.reply_by),
            ("reply_to", &self.reply_to),
        ];
        for (name, value) in fields {
            if !value.is_empty() {
                members.push((name.to_string(), Json::Text(value.clone())));
            }
        }
        if !self.receivers.is_empty() {
            let list = self.receivers.iter().map(|name| Json::Text(name.clone())).collect();
            members.push(("receiver".to_string(), Json::List(list)));
        }
        if !self.content.is_null() {
            members.push(("content".to_string(), self.content.clone()));
        }
        Json::Object(members).text()
    }

    pub fn is(&self, act: &str) -> bool {
        self.act == act
    }

    /// Does the platform itself speak: a failure, a not-understood, a timer?
    pub fn is_from_platform(&self) -> bool {
        let home = self.receivers.first().and_then(|name| name.split('@').nth(1)).unwrap_or("");
        self.sender.strip_prefix("ams@") == Some(home)
    }

    /// The timer that this message brings, if it is one.
    pub fn rung(&self) -> Option<Rung> {
        if self.ontology != "caxton-timer" || !self.is_from_platform() {
            return None;
        }
        match Json::parse(self.content.as_str()?)? {
            Json::List(items) if items.len() == 2 => {
                Some(Rung { name: items[0].as_str()?.to_string(), content: items[1].clone() })
            }
            _ => None,
        }
    }

    /// What an answer quotes: the message's reply_with, else its id.
    pub fn token(&self) -> &str {
        if self.reply_with.is_empty() { &self.id } else { &self.reply_with }
    }

    /// An answer, to be returned or to be sent.
    pub fn reply(&self, act: &str, content: Json) -> Message {
        let mut answer = Message::new(act, content);
        answer.receivers.push(self.reply_to.clone());
        answer.ontology = self.ontology.clone();
        answer.protocol = self.protocol.clone();
        answer.conversation = self.conversation.clone();
        answer.in_reply_to = self.token().to_string();
        answer
    }

    pub fn inform(&self, content: impl Into<Json>) -> Option<Message> {
        Some(self.reply("inform", content.into()))
    }

    pub fn agree(&self) -> Option<Message> {
        Some(self.reply("agree", Json::Null))
    }

    /// Refuse; who asked without a protocol has no refusal, and is told of a failure.
    pub fn refuse(&self, reason: impl Into<Json>) -> Option<Message> {
        Some(self.reply(if self.protocol.is_empty() { "failure" } else { "refuse" }, reason.into()))
    }

    pub fn failure(&self, reason: impl Into<Json>) -> Option<Message> {
        Some(self.reply("failure", reason.into()))
    }
}

/// When an answer is due, this long from now.
pub fn delay(milliseconds: i64) -> String {
    format!("+{}ms", milliseconds)
}

/// Queue a message, or say why not.
pub fn send(message: &Message) -> Result<(), Refusal> {
    Err(match host::send(&message.write()) {
        0 => return Ok(()),
        -2 => Refusal::NoSuchReceiver,
        -3 => Refusal::MailboxFull,
        -4 => Refusal::NotAllowed,
        -5 => Refusal::NotAdmitted,
        -6 => Refusal::TooLarge,
        -7 => Refusal::OverLimit,
        _ => Refusal::Invalid,
    })
}

/// Send a message to one agent.
pub fn tell(receiver: &str, act: &str, content: Json) -> Result<(), Refusal> {
    let mut message = Message::new(act, content);
    message.receivers.push(receiver.to_string());
    send(&message)
}

/// What `handle_message` does.
pub fn handle(pointer: usize, length: u32, handler: fn(&Message) -> Option<Message>) -> i32 {
    let whole = Json::parse(&host::text_at(pointer, length)).unwrap_or(Json::Null);
    match handler(&Message::read(&whole)) {
        Some(answer) => host::respond(pointer, answer.write()),
        None => 0,
    }
}

/// What `caxton_init` does.
pub fn start(pointer: usize, length: u32, starter: fn(&Json) -> Result<(), i32>) -> i32 {
    let config = Json::parse(&host::text_at(pointer, length)).unwrap_or(Json::Null);
    match starter(&config) {
        Ok(()) => 0,
        Err(code) => code,
    }
}
