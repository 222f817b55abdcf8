//! Many cases in one test: all that fail are told at once, but for those that are known to.

use std::fmt::Write as _;

use super::today::today;

/// How each case went: an error is what went wrong.
#[derive(Default)]
pub(crate) struct Verdicts(Vec<(String, Result<(), String>)>);

impl Verdicts {
    pub(crate) fn add(&mut self, case: impl Into<String>, verdict: Result<(), String>) {
        self.0.push((case.into(), verdict));
    }

    /// Fails with every case that went wrong and is not known to, and with every known one that
    /// went right or was not there: it has to come off the list.
    #[track_caller]
    pub(crate) fn settle(&self, known: &[(&str, &str)]) {
        let mut wrong = String::new();
        for (case, verdict) in &self.0 {
            let why = known.iter().find(|it| it.0 == case).map(|it| it.1);
            match (verdict, why) {
                (Err(said), None) => writeln!(wrong, "{case}: {said}").unwrap(),
                (Ok(()), Some(why)) => {
                    writeln!(
                        wrong,
                        "{case}: passes, take it off the list of known failures ({why})"
                    )
                    .unwrap();
                }
                _ => (),
            }
        }
        let lacks = |case: &str| today().is_some_and(|it| it.lacks(case));
        let unknown = |case: &str| self.0.iter().all(|it| it.0 != case) && !lacks(case);
        for (case, _) in known.iter().filter(|it| unknown(it.0)) {
            writeln!(wrong, "{case}: is known to fail, but there is no such case").unwrap();
        }
        assert!(wrong.is_empty(), "of {} cases:\n{wrong}", self.0.len());
        println!("{} cases, {} known to fail", self.0.len(), known.len());
    }
}
