//! A page as blocks: what is said, before it is known how it is printed.

/// A whole page.
pub(super) struct Page {
    pub(super) title: String,
    pub(super) facts: Vec<LabelledValue>,
    pub(super) notes: Vec<String>,
    /// Questions and their answers in short, before the sections.
    pub(super) short: Vec<LabelledValue>,
    pub(super) sections: Vec<Section>,
}

/// The answer to one question.
pub(super) struct Section {
    /// The topic's name, which is its anchor.
    pub(super) id: &'static str,
    pub(super) title: &'static str,
    pub(super) blocks: Vec<Block>,
}

/// Texts may hold digests, which each way of printing finds and marks by itself.
pub(super) enum Block {
    /// A paragraph.
    Say(String),
    /// A heading inside the section.
    Head(String),
    /// Words and what they stand for.
    Pairs(Vec<LabelledValue>),
    /// A table whose cells are short; the head's cells are columns.
    Grid(Grid),
    /// Things with a title and lines below it.
    Cards(Vec<Card>),
    /// Cards in an order.
    Steps(Vec<Card>),
    /// What several documents say to the same questions.
    Matrix(Grid),
    /// Documents beside each other.
    Sources(Vec<SourceText>),
    /// The picture of what hashes what.
    Picture(Picture),
    /// Sizes beside each other.
    Bars(Vec<Bar>),
    /// What several images are made of, to one scale.
    Stacks(Vec<Stack>),
}

/// A word and what it stands for.
pub(super) struct LabelledValue {
    pub(super) label: String,
    pub(super) value: String,
}

pub(super) fn pair(label: impl Into<String>, value: impl Into<String>) -> LabelledValue {
    LabelledValue { label: label.into(), value: value.into() }
}

/// A table.
pub(super) struct Grid {
    pub(super) head: Vec<String>,
    pub(super) rows: Vec<Vec<String>>,
    /// Whether digests are shown whole.
    pub(super) whole: bool,
}

/// A title and lines below it.
pub(super) struct Card {
    pub(super) title: String,
    pub(super) lines: Vec<Line>,
}

/// A line of a card.
pub(super) enum Line {
    Say(String),
    /// What is checked.
    Checked(String),
    /// What is not.
    Unchecked(String),
    /// A line of a protocol or a document.
    Code(String),
    /// What this image shows.
    Pair(LabelledValue),
    /// Where the rule is written.
    Rule(&'static str),
}

/// A document for reading.
pub(super) struct SourceText {
    pub(super) title: String,
    pub(super) text: String,
}

/// Bytes, their digests, and what they list.
pub(super) struct Picture {
    pub(super) boxes: Vec<Hashed>,
}

/// Some bytes and the digests of them.
pub(super) struct Hashed {
    pub(super) title: String,
    /// What it is, in a few words: size, codec.
    pub(super) detail: String,
    /// Digests that the bytes list.
    pub(super) lists: Vec<(&'static str, String)>,
    /// Digests of these bytes: name, and value where it is known.
    pub(super) digests: Vec<(&'static str, Option<String>)>,
}

/// One size.
pub(super) struct Bar {
    pub(super) label: String,
    pub(super) size: u64,
    /// Thousandths of the largest.
    pub(super) share: u64,
    pub(super) detail: String,
}

/// An image as a row of its layers.
pub(super) struct Stack {
    pub(super) label: String,
    /// What the drawing shows, in words.
    pub(super) detail: String,
    /// Thousandths of the largest.
    pub(super) share: u64,
    pub(super) segments: Vec<Segment>,
}

/// A layer in a row.
pub(super) struct Segment {
    /// The same for the same layer.
    pub(super) letter: String,
    /// Thousandths of the row.
    pub(super) share: u64,
    /// The colour of a layer that other rows have as well.
    pub(super) colour: Option<usize>,
}

/// A piece of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TextPiece<'a> {
    Text(&'a str),
    /// With its algorithm where it has one in front.
    Digest(&'a str),
}

const HEX: usize = 64;

/// Cuts a text at its digests: 64 lower-case hex digits that stand alone.
pub(super) fn pieces(text: &str) -> Vec<TextPiece<'_>> {
    let mut pieces = Vec::new();
    let (mut from, mut at) = (0, 0);
    let bytes = text.as_bytes();
    let is_hex = |byte: &u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    while at < bytes.len() {
        let run = bytes[at..].iter().take_while(|byte| is_hex(byte)).count();
        if run == HEX {
            let start = text[..at].strip_suffix("sha256:").map_or(at, str::len);
            if start > from {
                pieces.push(TextPiece::Text(&text[from..start]));
            }
            pieces.push(TextPiece::Digest(&text[start..at + HEX]));
            from = at + HEX;
        }
        at += run.max(1);
    }
    if from < text.len() {
        pieces.push(TextPiece::Text(&text[from..]));
    }
    pieces
}

/// The first digits of a digest, as people quote them.
pub(super) fn short(digest: &str) -> String {
    let (algorithm, hex) = match digest.split_once(':') {
        Some((algorithm, hex)) => (format!("{algorithm}:"), hex),
        None => (String::new(), digest),
    };
    let head: String = hex.chars().take(12).collect();
    format!("{algorithm}{head}…")
}

/// A text with its digests cut.
pub(super) fn shortened(text: &str) -> String {
    let piece = |piece: &TextPiece<'_>| match piece {
        TextPiece::Text(text) => (*text).to_owned(),
        TextPiece::Digest(digest) => short(digest),
    };
    pieces(text).iter().map(piece).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_are_found_and_nothing_else() {
        let hex = "0123456789abcdef".repeat(4);
        let text = format!("a sha256:{hex}/x {hex}0 ü{hex}");
        let with = format!("sha256:{hex}");
        let long = format!("/x {hex}0 ü");
        assert_eq!(
            pieces(&text),
            [
                TextPiece::Text("a "),
                TextPiece::Digest(&with),
                TextPiece::Text(&long),
                TextPiece::Digest(&hex)
            ]
        );
        assert_eq!(pieces("plain"), [TextPiece::Text("plain")]);
        assert!(pieces("").is_empty());
    }

    #[test]
    fn a_digest_is_cut_behind_twelve_digits() {
        let hex = "0123456789abcdef".repeat(4);
        assert_eq!(short(&format!("sha256:{hex}")), "sha256:0123456789ab…");
        assert_eq!(short(&hex), "0123456789ab…");
    }
}
