//! A page about one image, in four ways of printing.
//!
//! Facts become blocks once (`sections`); each way of printing knows blocks only.

mod html;
mod markdown;
mod marks;
mod page;
mod picture;
mod recovery;
mod sections;
mod shared;
mod svg;
mod text;
mod wire;

use imgconv::explain::Explanation;

use super::Width;
use crate::args::PageFormat;

/// Prints an explanation.
pub(crate) fn explanation(facts: &Explanation, format: PageFormat, width: Width) -> String {
    match format {
        PageFormat::Json => super::json(facts),
        PageFormat::Text => text::text(&sections::page(facts, width), width),
        PageFormat::Markdown => markdown::markdown(&sections::page(facts, width)),
        PageFormat::Html => html::html(&sections::page(facts, Width::Wide)),
    }
}
