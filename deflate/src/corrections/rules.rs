//! Finds out how a program looks for matches and makes its codes, by what a sample of its blocks
//! would cost.

use super::headers::CodeFamily;
use super::history::SearchRules;
use super::odds::{BitCoder, SymbolOdds};

/// How a program compresses, as far as the model is told.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Rules {
    pub(super) search: SearchRules,
    pub(super) codes: CodeFamily,
}

/// Places looked at; the lengths of matches within which places are entered.
const HOPS: [usize; 11] = [1, 2, 4, 8, 16, 32, 64, 128, 256, 1024, 4096];
const ENTERED: [usize; 10] = [0, 4, 5, 6, 8, 16, 32, 64, 128, 258];

impl Rules {
    /// Those of zlib at its usual level.
    pub(super) const USUAL: Self = Self {
        search: SearchRules { hops: 128, hashed: 3, entered: 258, first: 0 },
        codes: CodeFamily::Zlib,
    };

    /// The rules that differ from these in one respect: five steps, each of which lists its own.
    fn others(self, step: usize) -> Vec<Self> {
        let search = |search| Self { search, ..self };
        match step {
            0 => vec![Self { codes: CodeFamily::Go, ..self }],
            1 => vec![search(SearchRules { hashed: 4, ..self.search })],
            2 => HOPS.map(|hops| search(SearchRules { hops, ..self.search })).to_vec(),
            3 => ENTERED.map(|entered| search(SearchRules { entered, ..self.search })).to_vec(),
            _ => (0..=4).map(|first| search(SearchRules { first, ..self.search })).collect(),
        }
    }

    /// The cheapest rules, step by step.
    pub(super) fn cheapest(cost: impl Fn(Self) -> f64) -> Self {
        let mut best = (cost(Self::USUAL), Self::USUAL);
        for step in [0, 1, 2, 3, 4, 2] {
            for rules in best.1.others(step) {
                let cost = if rules == best.1 { best.0 } else { cost(rules) };
                if cost < best.0 {
                    best = (cost, rules);
                }
            }
        }
        best.1
    }

    /// Codes the rules.
    pub(super) fn code(coder: &mut impl BitCoder, told: Self) -> Self {
        let place = |all: &[usize], one: usize| all.iter().position(|it| *it == one).unwrap_or(0);
        let mut number = |told: usize| SymbolOdds::<4>::new().code(coder, told);
        let codes = number(usize::from(told.codes == CodeFamily::Go));
        let hashed = number(told.search.hashed);
        let hops = number(place(&HOPS, told.search.hops));
        let entered = number(place(&ENTERED, told.search.entered));
        let first = number(told.search.first);
        let hops = HOPS.get(hops).copied().unwrap_or(1);
        let entered = ENTERED.get(entered).copied().unwrap_or(0);
        Self {
            search: SearchRules { hops, hashed: hashed.clamp(3, 4), entered, first },
            codes: if codes == 1 { CodeFamily::Go } else { CodeFamily::Zlib },
        }
    }
}
