//! echo: answers a request with what it was asked.
use caxton::Message;

caxton::agent!(handle);

fn handle(m: &Message) -> Option<Message> {
    if m.is("request") {
        m.inform(m.content.clone())
    } else {
        None
    }
}
