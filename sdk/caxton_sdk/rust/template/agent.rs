//! Greets whoever asks, and counts its visitors; the count outlives every restart.
use caxton::{keep, kept, Json, Message};

caxton::agent!(handle);

fn handle(m: &Message) -> Option<Message> {
    if !m.is("request") {
        return None;
    }
    // What is kept is part of the step, as the answer is: both happen, or neither.
    let visitor = kept("visitors").and_then(|count| count.as_i64()).unwrap_or(0) + 1;
    if !keep("visitors", &visitor.into()) {
        return m.refuse("the book is full");
    }
    m.inform(Json::object([("hello", m.content.clone()), ("visitor", visitor.into())]))
}
