//! A page as one HTML file: no network, no script, for screens of any width and for paper.
//!
//! The template escapes by construction. A digest that is there several times is marked
//! everywhere when it is pointed at or focused; style sheets alone do it (`:has`).

use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::marks::Marks;
use super::page::{
    Bar, Block, Card, Grid, LabelledValue, Line, Page, Section, SourceText, Stack, TextPiece,
    pieces, short,
};
use super::svg;
use crate::render::{human, whole};

/// Longest table that is not folded.
const ROWS: usize = 32;

/// Share of the largest row, in millionths, that has room for a letter on a narrow screen.
const ROOM: u64 = 70_000;

const STYLE: &str = include_str!("style.css");

/// Prints a page.
pub(super) fn html(page: &Page) -> String {
    let marks = Marks::of(page);
    let digests = page.sections.iter().any(|section| section.id == "digests");
    let paper = Paper { marks, anchors: if digests { Anchors::Here } else { Anchors::None } };
    let title = whole(&page.title);
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                // Nothing is ever fetched, whatever stands in the page.
                meta http-equiv="Content-Security-Policy"
                    content="default-src 'none'; style-src 'unsafe-inline'";
                title { (title) ", explained" }
                style { (PreEscaped(STYLE)) (PreEscaped(paper.marks.style())) }
            }
            body {
                a.skip href="#main" { "To the answers" }
                header {
                    div {
                        p.kicker { "A container image, explained" }
                        h1 { (title) }
                        (paper.pairs(&page.facts, DigestWidth::Whole))
                        @for note in &page.notes { p.note { (paper.text(note)) } }
                    }
                    @if !page.short.is_empty() {
                        div.short {
                            @for answer in &page.short {
                                p { strong { (paper.text(&answer.label)) } br; (paper.text(&answer.value)) }
                            }
                        }
                    }
                }
                @if page.sections.len() > 1 {
                    nav aria-label="Questions" {
                        ol {
                            @for section in &page.sections {
                                li { a href={ "#" (section.id) } { (section.title) } }
                            }
                        }
                    }
                }
                main id="main" tabindex="-1" {
                    @for section in &page.sections { (paper.section(section)) }
                }
                footer {
                    p { "Made by imgconv explain. Every digest on this page is of this source." }
                }
            }
        }
    }
    .into_string()
}

/// How much of a digest is shown.
#[derive(Clone, Copy, PartialEq, Eq)]
enum DigestWidth {
    Short,
    Whole,
    /// Whole, and it still leads to where it is listed.
    Copied,
}

/// Whether digests have a place on this page that they lead to.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Anchors {
    Here,
    None,
}

struct Paper {
    marks: Marks,
    anchors: Anchors,
}

impl Paper {
    /// What is said first stands beside the rest on a wide screen; above it where the rest needs
    /// all of that.
    fn section(&self, section: &Section) -> Markup {
        let is_said = |block: &&Block| matches!(block, Block::Say(_));
        let said = section.blocks.iter().take_while(is_said).count();
        let (lead, rest) = section.blocks.split_at(said);
        let wide = rest.iter().any(|block| matches!(block, Block::Matrix(_)));
        html! {
            section class=[wide.then_some("wide")] id=(section.id) aria-labelledby={ "h-" (section.id) } {
                div.lead {
                    h2 id={ "h-" (section.id) } { (section.title) }
                    @for block in lead { (self.block(section, block)) }
                }
                div.rest { @for block in rest { (self.block(section, block)) } }
            }
        }
    }

    fn block(&self, section: &Section, block: &Block) -> Markup {
        match block {
            Block::Say(text) => html! { p { (self.text(text)) } },
            Block::Head(text) => html! { h3 { (self.text(text)) } },
            Block::Pairs(pairs) => self.pairs(pairs, DigestWidth::Short),
            // Anchors inside open it by themselves.
            Block::Grid(grid) if grid.rows.len() > ROWS => html! {
                details {
                    summary { "All " (grid.rows.len()) " rows" }
                    (self.table(section, grid, grid_class(grid)))
                }
            },
            Block::Grid(grid) => self.table(section, grid, grid_class(grid)),
            Block::Matrix(grid) => self.table(section, grid, "matrix"),
            Block::Cards(cards) => html! {
                ul.cards { @for card in cards { li { (self.card(card)) } } }
            },
            Block::Steps(cards) => html! {
                ol.steps { @for card in cards { li { (self.card(card)) } } }
            },
            Block::Sources(sources) => html! {
                div.sources { @for source in sources { (self.source(source)) } }
            },
            Block::Picture(picture) => svg::figure(picture, &self.marks),
            Block::Bars(bars) => html! { ul.bars { @for it in bars { (bar(it)) } } },
            Block::Stacks(stacks) => html! { ul.stacks { @for it in stacks { (self.stack(it)) } } },
        }
    }

    fn pairs(&self, pairs: &[LabelledValue], show: DigestWidth) -> Markup {
        html! {
            dl {
                @for pair in pairs {
                    div { dt { (pair.label) } dd { (self.pieces(&pair.value, show)) } }
                }
            }
        }
    }

    fn card(&self, card: &Card) -> Markup {
        html! {
            p.title { (self.text(&card.title)) }
            @for line in &card.lines {
                @match line {
                    Line::Say(text) => p { (self.text(text)) },
                    Line::Checked(text) => p.checked { strong { "checks " } (self.text(text)) },
                    Line::Unchecked(text) => {
                        p.unchecked { strong { "does not check " } (self.text(text)) }
                    },
                    Line::Code(text) => p { code { (self.text(text)) } },
                    Line::Pair(pair) => {
                        p { span.label { (pair.label) ": " } (self.text(&pair.value)) }
                    },
                    Line::Rule(section) => p.rule { "Rule: " (section) },
                }
            }
        }
    }

    /// A table that scrolls by itself where it is wider than the page.
    fn table(&self, section: &Section, grid: &Grid, class: &str) -> Markup {
        let show = if grid.whole { DigestWidth::Whole } else { DigestWidth::Short };
        html! {
            div.scroll role="region" tabindex="0" aria-label={ (section.title) " Table" } {
                table class=(class) {
                    thead {
                        tr { @for head in &grid.head {
                            @if head.is_empty() { td {} } @else { th scope="col" { (head) } }
                        } }
                    }
                    tbody {
                        @for row in &grid.rows {
                            tr id=[self.anchor(grid, row)] {
                                @for (at, cell) in row.iter().enumerate() {
                                    @if at == 0 { th scope="row" { (self.text(cell)) } }
                                    @else { td { (self.pieces(cell, show)) } }
                                }
                            }
                        }
                    }
                }
            }
        }
    }

    /// The anchor of a row that shows a digest whole.
    fn anchor(&self, grid: &Grid, row: &[String]) -> Option<String> {
        let value = row.get(1).filter(|_| grid.whole && self.anchors == Anchors::Here)?;
        let first = grid.rows.iter().find(|other| other.get(1) == Some(value))?;
        let own = std::ptr::eq(first.as_slice(), row);
        self.marks.class(value).filter(|_| own).map(|class| format!("of-{class}"))
    }

    /// The line below the drawing says the same in words.
    fn stack(&self, stack: &Stack) -> Markup {
        html! {
            li {
                p.label { (self.text(&stack.label)) }
                div.stack aria-hidden="true" style=(thousandths(stack.share)) {
                    @for segment in &stack.segments {
                        @let class = segment.colour.map_or_else(|| "own".to_owned(), |it| format!("s{it}"));
                        span class=(class) style=(thousandths(segment.share)) {
                            // A letter that does not fit is not cut in half.
                            @if segment.share * stack.share >= ROOM { (segment.letter) }
                        }
                    }
                }
                p.detail { (self.text(&stack.detail)) }
            }
        }
    }

    fn source(&self, source: &SourceText) -> Markup {
        html! {
            details open {
                summary { (whole(&source.title)) }
                pre tabindex="0" role="region" aria-label=(whole(&source.title)) {
                    code { (self.lines(&source.text)) }
                }
            }
        }
    }

    /// A document, so that what is copied of it is the document.
    fn lines(&self, text: &str) -> Markup {
        html! { @for line in text.lines() { (self.escaped(line, DigestWidth::Copied)) "\n" } }
    }

    fn text(&self, text: &str) -> Markup {
        self.pieces(text, DigestWidth::Short)
    }

    fn pieces(&self, text: &str, show: DigestWidth) -> Markup {
        self.escaped(&whole(text), show)
    }

    fn escaped(&self, text: &str, show: DigestWidth) -> Markup {
        html! {
            @for piece in pieces(text) {
                @match piece {
                    TextPiece::Text(text) => (text),
                    TextPiece::Digest(digest) => (self.digest(digest, show)),
                }
            }
        }
    }

    /// A digest, marked with its like; it leads to where it is shown whole.
    fn digest(&self, digest: &str, show: DigestWidth) -> Markup {
        let class = self.marks.class(digest);
        let text = if show == DigestWidth::Short { short(digest) } else { digest.to_owned() };
        let classes = format!("digest {}", class.as_deref().unwrap_or_default());
        let link = class.filter(|_| show != DigestWidth::Whole && self.anchors == Anchors::Here);
        html! {
            @match link {
                Some(class) => a class=(classes) href={ "#of-" (class) } title=(digest) { (text) },
                None => span class=(classes) title=(digest) { (text) },
            }
        }
    }
}

fn grid_class(grid: &Grid) -> &'static str {
    if grid.whole { "grid" } else { "brief" }
}

fn thousandths(share: u64) -> String {
    format!("width:{}.{}%", share / 10, share % 10)
}

fn bar(bar: &Bar) -> Markup {
    html! {
        li {
            span.label { (bar.label) }
            span.size { (human(bar.size)) }
            span.track { span.fill style=(thousandths(bar.share)) {} }
            span.detail { (whole(&bar.detail)) }
        }
    }
}
