//! What registries were asked for, and what they answered.

use std::sync::{Arc, Mutex, PoisonError};

/// A request that was answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LoggedRequest {
    pub(crate) method: &'static str,
    /// Without its query, which may be a secret.
    pub(crate) url: String,
    pub(crate) status: u16,
    /// Requests of one turn run at once.
    pub(crate) turn: usize,
}

/// The requests of a session.
#[derive(Debug, Clone, Default)]
pub(crate) struct RequestLog(Arc<Mutex<LoggedRequests>>);

#[derive(Debug, Default)]
struct LoggedRequests {
    turn: usize,
    all: Vec<LoggedRequest>,
}

/// More than the requests of any page; a long run does not grow.
const MOST: usize = 10_000;

impl RequestLog {
    pub(crate) fn add(&self, method: &'static str, url: impl ToString, status: u16) {
        let mut log = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if log.all.len() < MOST {
            let (turn, url) = (log.turn, url.to_string());
            log.all.push(LoggedRequest { method, url, status, turn });
        }
    }

    /// Begins requests that depend on the answers to those before.
    pub(crate) fn turn(&self) {
        let mut log = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        log.turn = log.turn.saturating_add(1);
    }

    /// Takes what was asked so far; those of one turn in any order.
    pub(crate) fn take(&self) -> Vec<LoggedRequest> {
        let mut log = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut log.all)
    }
}
