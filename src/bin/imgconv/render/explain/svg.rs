//! The picture of what hashes what, drawn twice: beside each other for wide screens, below each
//! other for narrow ones. The style sheet shows one of them.

use maud::{Markup, html};

use super::marks::Marks;
use super::page::{Hashed, Picture, short};
use crate::render::whole;

/// How boxes and digests stand.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Shape {
    /// Digests to the right of their bytes.
    Wide,
    /// Digests below their bytes.
    Narrow,
}

/// Height of a line of text.
const LINE: usize = 20;
/// Inner margin of a box.
const PAD: usize = 12;
/// Between two boxes.
const GAP: usize = 18;

impl Shape {
    fn width(self) -> usize {
        match self {
            Self::Wide => 860,
            Self::Narrow => 330,
        }
    }

    fn class(self) -> &'static str {
        match self {
            Self::Wide => "wide",
            Self::Narrow => "narrow",
        }
    }

    fn box_width(self) -> usize {
        match self {
            Self::Wide => 380,
            Self::Narrow => self.width(),
        }
    }

    /// Where digests begin.
    fn digests_at(self) -> usize {
        match self {
            Self::Wide => 510,
            Self::Narrow => 40,
        }
    }
}

/// Both drawings.
pub(super) fn figure(picture: &Picture, marks: &Marks) -> Markup {
    html! {
        figure {
            (drawing(picture, marks, Shape::Wide))
            (drawing(picture, marks, Shape::Narrow))
            figcaption {
                "Boxes are bytes, with the digests that they list. Arrows are sha256. Point at a \
                 digest, or move to it by keyboard, and every place on this page that has it is \
                 marked."
            }
        }
    }
}

fn drawing(picture: &Picture, marks: &Marks, shape: Shape) -> Markup {
    let mut at = 1;
    let mut placed = Vec::new();
    for hashed in &picture.boxes {
        placed.push((at, hashed));
        at += height(hashed, shape) + GAP;
    }
    let (width, height) = (shape.width(), at - GAP + 2);
    let box_ = format!("0 0 {width} {height}");
    html! {
        svg class={ "picture " (shape.class()) } viewBox=(box_) role="group"
            aria-label="What hashes what" {
            @for (at, hashed) in placed { (drawn(hashed, at, marks, shape)) }
        }
    }
}

fn bytes_height(hashed: &Hashed) -> usize {
    (2 + hashed.lists.len()) * LINE + 2 * PAD
}

fn digests_height(hashed: &Hashed) -> usize {
    hashed.digests.len() * (2 * LINE + 8)
}

fn height(hashed: &Hashed, shape: Shape) -> usize {
    match shape {
        Shape::Wide => bytes_height(hashed).max(digests_height(hashed)),
        Shape::Narrow => bytes_height(hashed) + GAP + digests_height(hashed),
    }
}

fn drawn(hashed: &Hashed, at: usize, marks: &Marks, shape: Shape) -> Markup {
    let (width, height) = (shape.box_width(), bytes_height(hashed));
    let known = if hashed.detail.contains("not here") { "bytes away" } else { "bytes" };
    let first = at + PAD + LINE - 5;
    html! {
        g {
            rect class=(known) x="1" y=(at) width=(width - 2) height=(height) rx="8" {}
            text.name x=(PAD + 2) y=(first) { (whole(&hashed.title)) }
            text.detail x=(PAD + 2) y=(first + LINE) { (whole(&hashed.detail)) }
            @for (line, (name, value)) in hashed.lists.iter().enumerate() {
                (digest(PAD + 14, first + (line + 2) * LINE, name, Some(value), marks))
            }
            (arrow(hashed, at, shape))
            @for (line, (name, value)) in hashed.digests.iter().enumerate() {
                @let y = digests_top(hashed, at, shape) + line * (2 * LINE + 8);
                @let x = shape.digests_at();
                text.detail x=(x) y=(y) { (name) }
                (digest(x, y + LINE, "", value.as_ref(), marks))
            }
        }
    }
}

fn digests_top(hashed: &Hashed, at: usize, shape: Shape) -> usize {
    match shape {
        Shape::Wide => at + LINE,
        Shape::Narrow => at + bytes_height(hashed) + GAP + LINE - 4,
    }
}

/// From the bytes to their digests.
fn arrow(hashed: &Hashed, at: usize, shape: Shape) -> Markup {
    let (path, x, y) = match shape {
        Shape::Wide => {
            let y = at + LINE + 6;
            (format!("M 380 {y} H 494 m -7 -5 l 7 5 l -7 5"), 412, y - 8)
        }
        Shape::Narrow => {
            let from = at + bytes_height(hashed);
            let to = from + GAP + LINE;
            (format!("M 20 {from} V {to} H 32 m -6 -5 l 6 5 l -6 5"), 40, from + GAP - 4)
        }
    };
    html! {
        path.arrow d=(path) {}
        @if shape == Shape::Wide { text.hash x=(x) y=(y) { "sha256" } }
    }
}

/// A digest, with a box behind it that can be marked.
fn digest(x: usize, y: usize, name: &str, value: Option<&String>, marks: &Marks) -> Markup {
    let label = if name.is_empty() { String::new() } else { format!("{name} ") };
    let Some(value) = value else {
        return html! { text.none x=(x) y=(y) { (label) "not known here" } };
    };
    let text = format!("{label}{}", short(value));
    let class = marks.class(value).unwrap_or_default();
    // Digits are of one width; so much each, at the size that the style sheet sets.
    let width = text.chars().count() * 8 + 8;
    let inner = html! {
        rect class={ "pill " (class) } x=(x.saturating_sub(4)) y=(y - 15) width=(width) height="20" rx="4" {}
        text.value x=(x) y=(y) { (text) }
    };
    html! {
        @if class.is_empty() { g { title { (value) } (inner) } }
        @else {
            a class={ "digest " (class) } href={ "#of-" (class) } { title { (value) } (inner) }
        }
    }
}
