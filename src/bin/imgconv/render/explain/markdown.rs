//! A page in Markdown (GitHub's dialect), for a wiki or a pull request.
//!
//! Text out of the input is escaped, so that it is neither markup nor HTML.

use std::fmt::Write as _;

use super::page::{
    Bar, Block, Card, Grid, LabelledValue, Line, Page, Picture, SourceText, Stack, TextPiece,
    pieces, short, shortened,
};
use crate::render::{human, whole};

/// Prints a page.
pub(super) fn markdown(page: &Page) -> String {
    let mut out = format!("# {}\n\n", inline(&page.title));
    pairs(&mut out, &page.facts);
    for note in &page.notes {
        let _ = writeln!(out, "> {}\n", inline(note));
    }
    for answer in &page.short {
        let _ = writeln!(out, "**{}**  \n{}\n", inline(&answer.label), inline(&answer.value));
    }
    if page.sections.len() > 1 {
        for (at, section) in page.sections.iter().enumerate() {
            let _ = writeln!(out, "{}. [{}](#{})", at + 1, section.title, anchor(section.title));
        }
        out.push('\n');
    }
    for section in &page.sections {
        let _ = writeln!(out, "## {}\n", section.title);
        section.blocks.iter().for_each(|it| block(&mut out, it));
    }
    let end = out.trim_end().len();
    out.truncate(end);
    out.push('\n');
    out
}

/// As GitHub makes anchors of headings.
fn anchor(title: &str) -> String {
    let kept = title.chars().filter(|it| it.is_alphanumeric() || matches!(it, ' ' | '-' | '_'));
    kept.map(|it| if it == ' ' { '-' } else { it.to_ascii_lowercase() }).collect()
}

fn block(out: &mut String, block: &Block) {
    match block {
        Block::Say(text) => {
            let _ = writeln!(out, "{}\n", inline(text));
        }
        Block::Head(text) => {
            let _ = writeln!(out, "### {}\n", inline(text));
        }
        Block::Pairs(all) => pairs(out, all),
        Block::Grid(grid) | Block::Matrix(grid) => table(out, grid),
        Block::Cards(cards) => {
            cards.iter().for_each(|it| card(out, "- ", it));
            out.push('\n');
        }
        Block::Steps(cards) => {
            for (at, it) in cards.iter().enumerate() {
                card(out, &format!("{}. ", at + 1), it);
            }
            out.push('\n');
        }
        Block::Sources(sources) => sources.iter().for_each(|it| source(out, it)),
        Block::Picture(it) => picture(out, it),
        Block::Bars(bars) => table(out, &sizes(bars)),
        Block::Stacks(stacks) => table(out, &layers(stacks)),
    }
}

fn pairs(out: &mut String, pairs: &[LabelledValue]) {
    for pair in pairs {
        let value = match pieces(&pair.value).as_slice() {
            [TextPiece::Digest(digest)] => format!("`{digest}`"),
            _ => inline(&pair.value),
        };
        let _ = writeln!(out, "- **{}**: {value}", inline(&pair.label));
    }
    out.push('\n');
}

fn card(out: &mut String, mark: &str, card: &Card) {
    let indent = " ".repeat(mark.len());
    let _ = writeln!(out, "{mark}**{}**  ", inline(&card.title));
    for (at, line) in card.lines.iter().enumerate() {
        let text = match line {
            Line::Say(text) => inline(text),
            Line::Checked(text) => format!("**checks**: {}", inline(text)),
            Line::Unchecked(text) => format!("**does not check**: {}", inline(text)),
            Line::Code(text) => code(&cut(text)),
            Line::Pair(pair) => format!("{}: {}", inline(&pair.label), inline(&pair.value)),
            Line::Rule(section) => format!("*Rule: {}*", inline(section)),
        };
        let more = if at + 1 < card.lines.len() { "  " } else { "" };
        let _ = writeln!(out, "{indent}{text}{more}");
    }
}

fn table(out: &mut String, grid: &Grid) {
    let line = |out: &mut String, row: &[String]| {
        let _ = writeln!(out, "| {} |", row.join(" | "));
    };
    let cell = |text: &String| match (grid.whole, pieces(text).as_slice()) {
        (true, [TextPiece::Digest(digest)]) => format!("`{digest}`"),
        _ => inline(text),
    };
    line(out, &grid.head.iter().map(|it| inline(it)).collect::<Vec<_>>());
    line(out, &vec!["---".to_owned(); grid.head.len()]);
    for row in &grid.rows {
        line(out, &row.iter().map(cell).collect::<Vec<_>>());
    }
    out.push('\n');
}

fn source(out: &mut String, source: &SourceText) {
    let _ = writeln!(out, "{}:\n", inline(&source.title));
    let fence = fence(&source.text, 3);
    let _ = writeln!(out, "{fence}json\n{}\n{fence}\n", source.text.trim_end());
}

/// A table: pictures of boxes need HTML.
fn picture(out: &mut String, picture: &Picture) {
    let rows = picture.boxes.iter().map(|hashed| {
        let lists = hashed.lists.iter().map(|(name, value)| format!("{name} {value}"));
        let digests = hashed.digests.iter().map(|(name, value)| {
            format!("{name} {}", value.as_deref().unwrap_or("not known here"))
        });
        vec![
            format!("{}, {}", hashed.title, hashed.detail),
            lists.collect::<Vec<_>>().join(", "),
            digests.collect::<Vec<_>>().join(", "),
        ]
    });
    let head = ["bytes", "list", "hash to"].map(str::to_owned).to_vec();
    table(out, &Grid { head, rows: rows.collect(), whole: false });
}

fn sizes(bars: &[Bar]) -> Grid {
    let rows = bars.iter().map(|bar| vec![bar.label.clone(), human(bar.size), bar.detail.clone()]);
    let head = ["layer", "size", "made by"].map(str::to_owned).to_vec();
    Grid { head, rows: rows.collect(), whole: false }
}

fn layers(stacks: &[Stack]) -> Grid {
    let rows = stacks.iter().map(|stack| vec![stack.label.clone(), stack.detail.clone()]);
    let head = ["image", "layers"].map(str::to_owned).to_vec();
    Grid { head, rows: rows.collect(), whole: false }
}

/// Text with its digests as code; everything else is no markup.
fn inline(text: &str) -> String {
    let words: Vec<String> = whole(text).split(' ').map(word).collect();
    words.join(" ")
}

fn word(word: &str) -> String {
    let piece = |piece: &TextPiece<'_>| match piece {
        TextPiece::Text(text) => escape(text),
        TextPiece::Digest(digest) => format!("`{}`", short(digest)),
    };
    if is_live(word) {
        // A bar ends a cell of a table, even inside code.
        return code(&cut(word)).replace('|', "\\|");
    }
    pieces(word).iter().map(piece).collect()
}

/// Whether renderers make a link of a word, or call somebody by it, however it is escaped (GFM,
/// Autolinks).
fn is_live(word: &str) -> bool {
    let word = word.to_ascii_lowercase();
    ["://", "www.", "mailto:", "xmpp:", "@", "#"].iter().any(|it| word.contains(it))
}

fn cut(text: &str) -> String {
    shortened(&whole(text))
}

/// More backticks than any run of them inside, and at least so many.
fn fence(text: &str, least: usize) -> String {
    let longest = text.split(|it| it != '`').map(str::len).max().unwrap_or(0);
    "`".repeat(least.max(longest + 1))
}

/// A code span, whatever backticks are inside (CommonMark, Code spans).
fn code(text: &str) -> String {
    let fence = fence(text, 1);
    let blank = if text.starts_with('`') || text.ends_with('`') { " " } else { "" };
    format!("{fence}{blank}{text}{blank}{fence}")
}

/// Characters that Markdown or HTML could take for their own.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for char in text.chars() {
        match char {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            '\\' | '`' | '*' | '_' | '[' | ']' | '|' | '#' | '~' | '!' | '@' | '$' => {
                out.push('\\');
                out.push(char);
            }
            char => out.push(char),
        }
    }
    out
}
