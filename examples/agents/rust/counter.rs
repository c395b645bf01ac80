//! counter: adds what requests say; the sum outlives every restart.
use caxton::{keep, kept, Json, Message};

caxton::agent!(handle);

fn handle(m: &Message) -> Option<Message> {
    if !m.is("request") {
        return None;
    }
    let more = match m.content.get("add").as_i64() {
        Some(more) => more,
        None => return m.refuse("add what?"),
    };
    let count = kept("count").and_then(|count| count.as_i64()).unwrap_or(0) + more;
    if !keep("count", &count.into()) {
        return m.refuse("no room");
    }
    m.inform(Json::object([("count", count.into())]))
}
