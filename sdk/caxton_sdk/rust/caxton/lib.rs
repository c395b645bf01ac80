//! What an agent in Rust is written with. No dependencies; no_std, with alloc.
//!
//! An agent is a function that is given each message and returns the answer, named by [`agent!`]. What must survive a restart
//! goes to the durable state: `keep` and `kept`. A panic traps: the delivery fails and everything the step did is undone.
#![no_std]

extern crate alloc;

pub mod contract_net;
pub mod host;
pub mod initiators;
pub mod json;
pub mod messages;
pub mod offers;
pub mod promises;
pub mod records;
pub mod subscribers;

pub use host::{cancel_timer, forget, keep, kept, log, new_id, now, random, set_timer, Level};
pub use json::Json;
pub use messages::{send, tell, Message, Refusal, Rung};

/// What happened to a conversation of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// To a request or a subscription of ours.
    Agreed,
    Informed,
    Refused,
    NotUnderstood,
    CancelRefused,
    /// To a call of ours: all have answered or their time is over; the result.
    Choice,
    Nobody,
    Done,
    /// To an offer of ours: it was taken, or not, or nobody answered while it held.
    Accepted,
    Rejected,
    Passed,
    /// To any of them.
    Failed,
    Expired,
    Cancelled,
}

/// One piece of news: of which conversation, and what was said. Of an offer of ours `content` is what we offered.
#[derive(Clone, Debug)]
pub struct News {
    pub event: Event,
    pub conversation: alloc::string::String,
    pub note: Json,
    pub content: Json,
    /// At a choice.
    pub offers: alloc::vec::Vec<contract_net::Offer>,
}

/// Name the functions an agent is made of: `agent!(handle)`, or `agent!(handle, start)`.
///
/// `handle: fn(&Message) -> Option<Message>` answers a message. `start: fn(&Json) -> Result<(), i32>` is given the manifest's
/// `config` whenever an instance starts; an error code, which is not 0, fails the start.
#[macro_export]
macro_rules! agent {
    ($handle:path) => {
        #[no_mangle]
        pub extern "C" fn caxton_alloc(length: u32) -> usize {
            $crate::host::inbox(length)
        }
        #[no_mangle]
        pub extern "C" fn handle_message(pointer: usize, length: u32) -> i32 {
            $crate::messages::handle(pointer, length, $handle)
        }
    };
    ($handle:path, $start:path) => {
        $crate::agent!($handle);
        #[no_mangle]
        pub extern "C" fn caxton_init(pointer: usize, length: u32) -> i32 {
            $crate::messages::start(pointer, length, $start)
        }
    };
}
