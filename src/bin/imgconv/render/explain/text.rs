//! A page for a terminal of 80 columns. Nothing is said by colour alone.

use anstyle::Style;

use super::page::{
    Bar, Block, Card, Grid, Hashed, LabelledValue, Line, Page, Picture, SourceText, Stack,
    TextPiece, pieces, short, shortened,
};
use crate::render::{Width, human, whole};

const COLUMNS: usize = 80;
/// So many lines of a document are shown where not all are asked for.
const LINES: usize = 16;
/// Columns of the bytes in the picture; the rest is for arrow, name and digest.
const LEFT: usize = 31;
/// Columns of the largest image where several are drawn.
const BAR: u64 = 72;
const BOLD: Style = Style::new().bold();
const DIM: Style = Style::new().dimmed();

/// Prints a page.
pub(super) fn text(page: &Page, width: Width) -> String {
    let mut out = Out { text: String::new(), width, rules: Vec::new() };
    out.heading(&page.title);
    out.pairs(&page.facts, 0);
    for note in &page.notes {
        out.wrapped("note: ", note);
    }
    for answer in &page.short {
        out.line("");
        out.heading(&answer.label);
        out.wrapped("", &answer.value);
    }
    for (at, section) in page.sections.iter().enumerate() {
        out.line("");
        let number = if page.sections.len() > 1 { format!("{}. ", at + 1) } else { String::new() };
        out.heading(&format!("{number}{}", section.title));
        section.blocks.iter().for_each(|block| out.block(block));
        let rules = std::mem::take(&mut out.rules);
        if !rules.is_empty() {
            out.wrapped("rules: ", &rules.join("; "));
        }
    }
    out.text
}

struct Out {
    text: String,
    width: Width,
    /// Where rules are written, said once at the end of a section.
    rules: Vec<&'static str>,
}

impl Out {
    fn line(&mut self, line: &str) {
        self.text.push_str(line.trim_end());
        self.text.push('\n');
    }

    fn heading(&mut self, text: &str) {
        for line in wrap(&cut(text), COLUMNS) {
            self.line(&format!("{BOLD}{line}{BOLD:#}"));
        }
    }

    /// A text behind a label; further lines stand below its beginning, all of them below a label
    /// that is long.
    fn wrapped(&mut self, label: &str, text: &str) {
        let width = label.chars().count();
        if width > COLUMNS / 2 {
            let blanks = label.chars().take_while(|it| *it == ' ').count();
            for line in wrap(label.trim(), COLUMNS - blanks) {
                self.line(&format!("{:blanks$}{line}", ""));
            }
            return self.wrapped(&" ".repeat(blanks + 2), text);
        }
        for (at, line) in wrap(&cut(text), COLUMNS - width).iter().enumerate() {
            let before = if at == 0 { label.to_owned() } else { " ".repeat(width) };
            self.line(&format!("{before}{line}"));
        }
    }

    fn block(&mut self, block: &Block) {
        match block {
            Block::Say(text) => self.wrapped("", text),
            Block::Head(text) => {
                self.line("");
                self.heading(text);
            }
            Block::Pairs(pairs) => self.pairs(pairs, 2),
            Block::Grid(grid) => self.grid(grid),
            Block::Cards(cards) => cards.iter().for_each(|card| self.card("  ", card)),
            Block::Steps(cards) => {
                for (at, card) in cards.iter().enumerate() {
                    self.card(&format!("{:>2} ", at + 1), card);
                }
            }
            Block::Matrix(grid) => self.matrix(grid),
            Block::Sources(sources) => sources.iter().for_each(|source| self.source(source)),
            Block::Picture(picture) => self.picture(picture),
            Block::Bars(bars) => bars.iter().for_each(|bar| self.bar(bar)),
            Block::Stacks(stacks) => stacks.iter().for_each(|stack| self.stack(stack)),
        }
    }

    fn pairs(&mut self, pairs: &[LabelledValue], indent: usize) {
        let width = pairs.iter().map(|pair| pair.label.chars().count()).max().unwrap_or(0);
        for pair in pairs {
            let label = format!("{:indent$}{:width$}  ", "", pair.label);
            match pieces(&pair.value).as_slice() {
                // An ID that is asked for is shown whole.
                [TextPiece::Digest(digest)] if indent == 0 => {
                    self.line(&format!("{label}{digest}"))
                }
                _ => self.wrapped(&label, &pair.value),
            }
        }
    }

    fn card(&mut self, label: &str, card: &Card) {
        self.wrapped(label, &card.title);
        for line in &card.lines {
            match line {
                Line::Say(text) => self.wrapped("     ", text),
                Line::Checked(text) => self.wrapped("     checks: ", text),
                Line::Unchecked(text) => self.wrapped("     does not check: ", text),
                Line::Pair(pair) => self.wrapped(&format!("     {}: ", pair.label), &pair.value),
                Line::Rule(section) if self.rules.contains(section) => (),
                Line::Rule(section) => self.rules.push(section),
                Line::Code(text) => {
                    let text = cut(text);
                    let lines = wrap(&text, COLUMNS - 5);
                    for line in lines {
                        self.line(&format!("     {DIM}{line}{DIM:#}"));
                    }
                }
            }
        }
    }

    fn grid(&mut self, grid: &Grid) {
        let cell = |text: &String| if grid.whole { whole(text) } else { cut(text) };
        let rows: Vec<Vec<String>> =
            grid.rows.iter().map(|row| row.iter().map(cell).collect()).collect();
        let mut widths: Vec<usize> = grid.head.iter().map(|it| it.chars().count()).collect();
        for row in &rows {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = (*width).max(cell.chars().count());
            }
        }
        let total: usize = widths.iter().map(|width| width + 2).sum();
        if total > COLUMNS {
            return rows.iter().for_each(|row| self.stacked(row));
        }
        let line = |row: &[String]| {
            let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}"));
            format!("  {}", cells.collect::<Vec<_>>().join("  "))
        };
        let head = line(&grid.head);
        self.line(&format!("{DIM}{}{DIM:#}", head.trim_end()));
        rows.iter().for_each(|row| self.line(&line(row)));
    }

    /// A row that is wider than the terminal: the first cell with the last, the others below.
    fn stacked(&mut self, row: &[String]) {
        let (Some(first), Some(last)) = (row.first(), row.last()) else { return };
        self.line(&format!("  {first} ({last})"));
        let inner = row.get(1..row.len().saturating_sub(1)).unwrap_or_default();
        for cell in inner {
            for line in wrap(cell, COLUMNS - 4) {
                self.line(&format!("    {line}"));
            }
        }
    }

    /// One question after the other; documents that answer alike are named together.
    fn matrix(&mut self, grid: &Grid) {
        for row in &grid.rows {
            let Some((label, cells)) = row.split_first() else { continue };
            self.line(&format!("  {BOLD}{label}{BOLD:#}"));
            let mut groups: Vec<(&String, Vec<&str>)> = Vec::new();
            for (cell, name) in cells.iter().zip(grid.head.iter().skip(1)) {
                match groups.iter_mut().find(|(known, _)| *known == cell) {
                    Some((_, names)) => names.push(name),
                    None => groups.push((cell, vec![name])),
                }
            }
            for (cell, names) in groups {
                self.wrapped(&format!("    {}: ", names.join(", ")), cell);
            }
        }
    }

    fn source(&mut self, source: &SourceText) {
        self.line("");
        self.wrapped("", &source.title);
        let count = source.text.lines().count();
        let most = if self.width == Width::Wide { count } else { LINES };
        for line in source.text.lines().take(most) {
            let line = shortened(line);
            let line = match line.chars().count() > COLUMNS - 2 {
                true => line.chars().take(COLUMNS - 3).chain(['…']).collect(),
                false => line,
            };
            self.line(&format!("  {DIM}{line}{DIM:#}"));
        }
        if count > most {
            self.line(&format!("  … {} more lines, -v shows them", count - most));
        }
        self.line("");
    }

    fn picture(&mut self, picture: &Picture) {
        self.line("");
        picture.boxes.iter().for_each(|hashed| self.hashed(hashed));
        self.line("");
    }

    /// Bytes on the left, what they hash to on the right.
    fn hashed(&mut self, hashed: &Hashed) {
        let mut left = vec![hashed.title.clone(), format!("  {}", hashed.detail)];
        left.extend(hashed.lists.iter().map(|(name, value)| {
            format!("  lists {name} {}", short(value).trim_start_matches("sha256:"))
        }));
        let right: Vec<String> = hashed
            .digests
            .iter()
            .map(|(name, value)| {
                let value = value.as_deref().map_or_else(|| "not known here".to_owned(), short);
                format!("{name:15} {value}")
            })
            .collect();
        for at in 0..left.len().max(right.len()) {
            let left: String = left.get(at).map(|it| whole(it)).unwrap_or_default();
            let left: String = left.chars().take(LEFT).collect();
            let arrow = if at == 0 { "-sha256-> " } else { "" };
            let right = right.get(at).map_or("", String::as_str);
            self.line(&format!("  {left:LEFT$} {arrow:10}{right}"));
        }
    }

    fn bar(&mut self, bar: &Bar) {
        let full = usize::try_from(bar.share * 40 / 1000).unwrap_or(0).max(1);
        let size = human(bar.size);
        self.line(&format!("  {:10} {size:>7}  {}", bar.label, "#".repeat(full)));
    }

    /// A layer is its letter, as often as its bytes say and at least once.
    fn stack(&mut self, stack: &Stack) {
        self.wrapped("  ", &stack.label);
        let mut bar = String::new();
        for segment in &stack.segments {
            let mut letters = segment.letter.chars();
            let letter = letters.next().filter(|_| letters.next().is_none()).unwrap_or('#');
            let columns = segment.share * stack.share * BAR / 1_000_000;
            let columns = usize::try_from(columns).unwrap_or(0).max(1);
            bar.extend(std::iter::repeat_n(letter, columns));
        }
        let bar: String = bar.chars().take(COLUMNS - 4).collect();
        self.line(&format!("    {bar}"));
        self.wrapped("    ", &stack.detail);
    }
}

/// Escaped, with digests cut.
fn cut(text: &str) -> String {
    shortened(&whole(text))
}

/// Lines of at most so many characters; words that are longer are broken.
fn wrap(text: &str, width: usize) -> Vec<String> {
    let width = width.max(20);
    let mut lines = vec![String::new()];
    let mut used = 0;
    for word in text.split(' ').filter(|word| !word.is_empty()) {
        let length = word.chars().count();
        let fits = used > 0 && used + 1 + length <= width;
        if fits {
            used += 1 + length;
        } else {
            used = length;
        }
        match lines.last_mut() {
            Some(line) if fits => {
                line.push(' ');
                line.push_str(word);
            }
            Some(line) if line.is_empty() => line.push_str(word),
            _ => lines.push(word.to_owned()),
        }
        while let Some(long) = lines.last().filter(|line| line.chars().count() > width) {
            let (head, tail) = split(long, width);
            used = tail.chars().count();
            lines.pop();
            lines.extend([head, tail]);
        }
    }
    lines
}

fn split(text: &str, at: usize) -> (String, String) {
    (text.chars().take(at).collect(), text.chars().skip(at).collect())
}
