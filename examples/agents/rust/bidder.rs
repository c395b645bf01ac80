//! bidder: offers to do what a call asks for at the cost in its configuration, and does it when it is chosen.
use caxton::{offers, Event, Json, Message};
use std::sync::atomic::{AtomicI64, Ordering::Relaxed};

caxton::agent!(handle, start);

const HOLD_MS: i64 = 60_000;
static COST: AtomicI64 = AtomicI64::new(0);

fn start(config: &Json) -> Result<(), i32> {
    COST.store(config.get("cost").as_i64().ok_or(1)?, Relaxed);
    Ok(())
}

fn handle(m: &Message) -> Option<Message> {
    let cost = COST.load(Relaxed);
    if let Some(news) = offers::heard(m) {
        return match news.event {
            Event::Accepted => m.inform(Json::object([("done", true.into()), ("cost", cost.into())])),
            Event::Cancelled => m.inform(Json::Null),
            _ => None,
        };
    }
    if !m.is("cfp") {
        return None;
    }
    if m.content.get("limit").as_i64().map_or(false, |limit| cost > limit) {
        return m.refuse("too cheap");
    }
    offers::propose(m, Json::object([("cost", cost.into())]), Json::Null, HOLD_MS)
}
