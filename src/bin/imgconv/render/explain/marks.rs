//! Digests that are there several times on a page, and the style that marks them together.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::page::{Block, Line, Page, TextPiece, pieces};

/// Digests that are marked together, each with its number.
pub(super) struct Marks(BTreeMap<String, usize>);

impl Marks {
    pub(super) fn of(page: &Page) -> Self {
        let mut counts: BTreeMap<String, usize> = BTreeMap::new();
        let mut count = |text: &str| {
            for piece in pieces(text) {
                if let TextPiece::Digest(digest) = piece {
                    *counts.entry(digest.to_owned()).or_default() += 1;
                }
            }
        };
        page.facts.iter().for_each(|pair| count(&pair.value));
        for block in page.sections.iter().flat_map(|section| &section.blocks) {
            texts(block, &mut count);
        }
        counts.retain(|_, count| *count > 1);
        Self(counts.into_keys().enumerate().map(|(at, digest)| (digest, at)).collect())
    }

    /// The class of a digest.
    pub(super) fn class(&self, digest: &str) -> Option<String> {
        self.0.get(digest).map(|number| format!("d{number}"))
    }

    /// One rule per digest: where one of its places is pointed at, all are marked.
    pub(super) fn style(&self) -> String {
        let mut style = String::new();
        for number in self.0.values() {
            let _ = write!(
                style,
                ":root:has(.d{number}:is(:hover,:focus-visible)) .d{number}\
                 {{background:var(--mark);fill:var(--mark)}}"
            );
        }
        style
    }
}

/// Every text of a block.
fn texts(block: &Block, visit: &mut dyn FnMut(&str)) {
    match block {
        Block::Say(text) | Block::Head(text) => visit(text),
        Block::Pairs(pairs) => pairs.iter().for_each(|pair| visit(&pair.value)),
        Block::Grid(grid) | Block::Matrix(grid) => {
            grid.rows.iter().flatten().for_each(|cell| visit(cell));
        }
        Block::Cards(cards) | Block::Steps(cards) => {
            for line in cards.iter().flat_map(|card| &card.lines) {
                match line {
                    Line::Say(text)
                    | Line::Checked(text)
                    | Line::Unchecked(text)
                    | Line::Code(text) => visit(text),
                    Line::Pair(pair) => visit(&pair.value),
                    Line::Rule(_) => (),
                }
            }
        }
        Block::Sources(sources) => sources.iter().for_each(|source| visit(&source.text)),
        Block::Picture(picture) => {
            for hashed in &picture.boxes {
                hashed.lists.iter().for_each(|(_, value)| visit(value));
                hashed
                    .digests
                    .iter()
                    .filter_map(|(_, value)| value.as_ref())
                    .for_each(|it| visit(it));
            }
        }
        Block::Bars(_) | Block::Stacks(_) => (),
    }
}
