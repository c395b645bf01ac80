//! feed: tells its subscribers what it is told to; follows the feed in its configuration, if there is one.
use caxton::{initiators, keep, kept, set_timer, subscribers, Event, Json, Message};

caxton::agent!(handle, start);

const ANSWER_MS: i64 = 5000;
const RETRY_MS: i64 = 1000;

fn retry_later() {
    set_timer(RETRY_MS, "follow", Json::Null).expect("no room for a timer");
}

/// Subscribe to the feed we follow; it may not be there yet.
fn follow() {
    let feed = kept("followed").unwrap_or(Json::Null);
    if initiators::subscribe(feed.as_str().unwrap_or(""), Json::Null, Json::Null, ANSWER_MS).is_err() {
        retry_later();
    }
}

fn start(config: &Json) -> Result<(), i32> {
    // The subscription outlives this instance, so only the first one makes it.
    if !config.has("follow") || kept("followed").is_some() {
        return Ok(());
    }
    if !keep("followed", config.get("follow")) {
        return Err(1);
    }
    follow();
    Ok(())
}

fn handle(m: &Message) -> Option<Message> {
    if let Some(news) = initiators::subscription_heard(m) {
        match news.event {
            Event::Informed => assert!(keep("last", &news.content), "no room for the last value"),
            Event::Agreed => {}
            // Whatever ends the subscription, we subscribe anew.
            _ => retry_later(),
        }
        return None;
    }
    if let Some(rung) = m.rung() {
        if rung.name == "follow" {
            follow();
        }
        return None;
    }
    if m.is("subscribe") {
        return subscribers::accept(m);
    }
    if subscribers::left(m) {
        return m.inform(Json::Null);
    }
    if !m.is("request") {
        return None;
    }
    if m.content.as_str() == Some("last") {
        return m.inform(Json::object([("last", kept("last").unwrap_or(Json::Null))]));
    }
    if !m.content.has("tell") {
        return m.refuse("tell what?");
    }
    subscribers::inform(m.content.get("tell"));
    m.inform("told")
}
