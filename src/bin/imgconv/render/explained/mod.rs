//! A page about one image, in four ways of printing.
//!
//! Facts become blocks once (`sections`); each way of printing knows blocks only.

mod html;
mod markdown;
mod page;
mod picture;
mod sections;
mod svg;
mod text;
mod wire;

use imgconv::explain::Explanation;

use super::Width;
use crate::explain::Format;

/// Prints an explanation.
pub(crate) fn explanation(facts: &Explanation, format: Format, width: Width) -> String {
    match format {
        Format::Json => super::json(facts),
        Format::Text => text::text(&sections::page(facts, width), width),
        Format::Markdown => markdown::markdown(&sections::page(facts, width)),
        Format::Html => html::html(&sections::page(facts, Width::Wide)),
    }
}
