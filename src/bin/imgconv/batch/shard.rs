//! Which part of a list a process does.

use std::fmt;
use std::str::FromStr;

use crate::access::variable;
use crate::environment::Environment;
use crate::failure::Failure;
use crate::ui::Ui;

/// The items whose number in the list is `index` modulo `count`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Shard {
    pub(crate) index: usize,
    pub(crate) count: usize,
}

/// The value of `--shard`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ShardArg {
    Of(Shard),
    /// As the engine says; the number of shards, if it does not say that.
    Auto(Option<usize>),
}

impl FromStr for ShardArg {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const EXPECTED: &str = "expected K/N with K from 0 to N-1, auto or auto/N";
        let number = |text: &str| text.parse::<usize>().ok();
        let (index, count) = match text.split_once('/') {
            None if text == "auto" => return Ok(Self::Auto(None)),
            None => return Err(EXPECTED),
            Some((index, count)) => (index, number(count).filter(|it| *it > 0).ok_or(EXPECTED)?),
        };
        if index == "auto" {
            return Ok(Self::Auto(Some(count)));
        }
        let index = number(index).filter(|it| *it < count).ok_or(EXPECTED)?;
        Ok(Self::Of(Shard { index, count }))
    }
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "shard {} of {}", self.index, self.count)
    }
}

impl Shard {
    /// The whole list.
    pub(crate) const WHOLE: Self = Self { index: 0, count: 1 };

    pub(crate) fn has(&self, number: usize) -> bool {
        number % self.count == self.index
    }
}

impl ShardArg {
    /// The shard; says where it comes from if the engine decides.
    pub(crate) fn shard(self, ui: &Ui) -> Result<Shard, Failure> {
        let count = match self {
            Self::Of(shard) => return Ok(shard),
            Self::Auto(count) => count,
        };
        let environment = Environment::new(&variable);
        let found = environment.array_place(count).map_err(|text| {
            Failure::usage(format!("--shard auto: {text}"), "pass --shard K/N".to_owned())
        })?;
        let Some(found) = found else {
            let text = "--shard auto: no variable of a job array is set";
            return Err(Failure::usage(text, "pass --shard K/N".to_owned()));
        };
        let Some(count) = found.count else {
            let text =
                format!("--shard auto: {} does not say how many jobs there are", found.engine);
            return Err(Failure::usage(text, "pass --shard auto/N".to_owned()));
        };
        if found.index >= count {
            let text = format!(
                "--shard auto: {}={} is outside of {count} shards, which are counted from 0",
                found.variable, found.value
            );
            let hint = format!("start an array of jobs 0 to {}", count.saturating_sub(1));
            return Err(Failure::usage(text, hint));
        }
        let shard = Shard { index: found.index, count };
        ui.note(&format!("{shard}, from {}={} of {}", found.variable, found.value, found.engine));
        Ok(shard)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shard_is_counted_from_zero() {
        for (text, expected) in [
            ("0/1", Some(ShardArg::Of(Shard::WHOLE))),
            ("2/3", Some(ShardArg::Of(Shard { index: 2, count: 3 }))),
            ("auto", Some(ShardArg::Auto(None))),
            ("auto/20", Some(ShardArg::Auto(Some(20)))),
            ("3/3", None),
            ("1/0", None),
            ("auto/0", None),
            ("-1/3", None),
            ("1", None),
            ("", None),
        ] {
            assert_eq!(text.parse().ok(), expected, "{text}");
        }
    }

    #[test]
    fn every_number_is_in_one_shard() {
        for number in 0..100 {
            let has = |index: &usize| Shard { index: *index, count: 7 }.has(number);
            assert_eq!((0..7).filter(has).count(), 1);
        }
    }
}
