//! Codes tokens by what a program that looks for the longest match would do.

use super::history::{Candidate, History, LONGEST, SearchRules};
use super::odds::{BitCoder, Odds, SymbolOdds};
use super::stream::Token;

/// What the token before was.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Before {
    Match,
    /// A literal where there was no match.
    Literal,
    /// A literal where there was one.
    Deferred,
}

/// The odds of all that makes a token.
#[derive(Clone)]
pub(super) struct TokenOdds {
    pub(super) history: History,
    here: Vec<Candidate>,
    next: Vec<Candidate>,
    /// Whether `next` is what was found at the place that is coded.
    ready: bool,
    before: Before,
    is_match: Vec<Odds>,
    chosen: Vec<Odds>,
    whole: Vec<Odds>,
    lengths: Vec<SymbolOdds<8>>,
    distances: SymbolOdds<4>,
    distance_tops: Vec<Odds>,
}

const SIZES: usize = 16;

/// Steps of a length.
fn size(length: usize) -> usize {
    match length {
        0..=8 => length,
        9..=12 => 9,
        13..=16 => 10,
        17..=32 => 11,
        33..=64 => 12,
        65..=128 => 13,
        129..LONGEST => 14,
        _ => 15,
    }
}

fn log(value: usize) -> usize {
    (usize::BITS - value.leading_zeros()) as usize
}

impl TokenOdds {
    pub(super) fn new(rules: SearchRules) -> Self {
        Self {
            history: History::new(rules),
            here: Vec::new(),
            next: Vec::new(),
            ready: false,
            before: Before::Literal,
            is_match: vec![Odds::EVEN; SIZES * SIZES * 3 * 8],
            chosen: vec![Odds::EVEN; 4 * 16 * SIZES * SIZES],
            whole: vec![Odds::EVEN; SIZES * 2],
            lengths: vec![SymbolOdds::new(); SIZES],
            distances: SymbolOdds::new(),
            distance_tops: vec![Odds::EVEN; 16 * 16],
        }
    }

    /// Forgets what was found ahead: another member begins, or stored bytes came between.
    pub(super) fn jump(&mut self) {
        self.ready = false;
        self.before = Before::Literal;
    }

    /// Codes one token. `None` if what a reader finds cannot be one here.
    pub(super) fn code(&mut self, coder: &mut impl BitCoder, told: Token) -> Option<Token> {
        if self.ready {
            std::mem::swap(&mut self.here, &mut self.next);
        } else {
            let at = self.history.at;
            self.history.search(at, &mut self.here);
        }
        self.history.enter_next();
        let at = self.history.at;
        let best = self.here.last().copied().unwrap_or_default();
        self.next.clear();
        if best.length < LONGEST {
            self.history.search(at + 1, &mut self.next);
        }
        let then = self.next.last().copied().unwrap_or_default();
        let is_match = self.match_odds(best, then);
        let token = if coder.bit(is_match, told.distance > 0) {
            self.code_match(coder, told)?
        } else {
            let byte = self.history.bytes.get(at).filter(|_| at < self.history.end)?;
            Token { distance: 0, length: u16::from(*byte) }
        };
        self.ready = token.distance == 0;
        self.before = match (token.distance, best.length) {
            (0, 0) => Before::Literal,
            (0, _) => Before::Deferred,
            _ => Before::Match,
        };
        self.history.pass(if self.ready { 1 } else { token.length.into() });
        Some(token)
    }

    /// Goes past bytes that are stored as they are.
    pub(super) fn store(&mut self, count: usize) -> Option<()> {
        if count > self.history.end - self.history.at {
            return None;
        }
        for _ in 0..count {
            self.history.enter_next();
            self.history.pass(1);
        }
        self.jump();
        Some(())
    }

    fn match_odds(&mut self, best: Candidate, then: Candidate) -> &mut Odds {
        let more = match then.length.cmp(&best.length) {
            std::cmp::Ordering::Less => 0,
            std::cmp::Ordering::Equal => 1,
            std::cmp::Ordering::Greater if then.length == best.length + 1 => 2,
            std::cmp::Ordering::Greater => 3,
        };
        let far = usize::from(best.distance > 4096);
        let at = (size(best.length) * SIZES + size(then.length)) * 3 + self.before as usize;
        &mut self.is_match[at * 8 + more * 2 + far]
    }

    fn code_match(&mut self, coder: &mut impl BitCoder, told: Token) -> Option<Token> {
        let distance = self.code_distance(coder, told.distance.into());
        let most = self.history.match_length(distance);
        let step = size(most);
        let near = usize::from(self.history.end - self.history.at <= most);
        let whole = &mut self.whole[step * 2 + near];
        let length = if coder.bit(whole, usize::from(told.length) == most) {
            most
        } else {
            self.lengths[step].code(coder, usize::from(told.length).saturating_sub(3)) + 3
        };
        let token = Token { distance: distance as u16, length: length as u16 };
        (3..=most).contains(&length).then_some(token)
    }

    /// The distance: of the longest candidate, or of a shorter one, or of none.
    fn code_distance(&mut self, coder: &mut impl BitCoder, told: usize) -> usize {
        for (rank, at) in (0..self.here.len()).rev().enumerate() {
            let candidate = self.here[at];
            let shorter = at.checked_sub(1).map_or(0, |at| self.here[at].length);
            let context = (rank.min(3) * 16 + log(candidate.hops).min(15)) * SIZES;
            let odds = &mut self.chosen[(context + size(candidate.length)) * SIZES + size(shorter)];
            if coder.bit(odds, candidate.distance == told) {
                return candidate.distance;
            }
        }
        // A distance from 1 to 2^15, less one.
        let less_one = told.saturating_sub(1);
        let width = self.distances.code(coder, log(less_one).min(15));
        let mut value = usize::from(width > 0);
        for at in (0..width.saturating_sub(1)).rev() {
            let (mut even, top) = (Odds::EVEN, at + 4 >= width);
            let odds = if top { &mut self.distance_tops[width * 16 + value] } else { &mut even };
            value = value << 1 | usize::from(coder.bit(odds, less_one >> at & 1 == 1));
        }
        value + 1
    }
}
