//! Pulls and pushes as steps.

use imgconv::explain::{AnsweredRequest, HttpRequest, Transfer, TransferSide, TransferStep};

use super::page::{Block, Card, Grid, Line};
use super::sections::versions;
use crate::render::{Width, human};

/// So many requests of one step are shown where not all are asked for.
const REQUESTS: usize = 4;

/// A pull or a push, one list of steps per store.
pub(super) fn transfer(transfer: &Transfer, width: Width) -> Vec<Block> {
    let mut blocks = vec![Block::Say(transfer.answer.to_owned())];
    blocks.extend(transfer.note.map(|note| Block::Say(note.to_owned())));
    for side in &transfer.sides {
        blocks.push(Block::Head(side.title.to_owned()));
        blocks.push(Block::Steps(steps(side, width)));
    }
    blocks.extend(transfer.asked.as_deref().into_iter().flat_map(|asked| requests(asked, width)));
    blocks.extend(versions("By store and version", &transfer.versions, transfer.which_store));
    blocks
}

/// What imgconv asked itself.
fn requests(asked: &[AnsweredRequest], width: Width) -> Vec<Block> {
    if asked.is_empty() {
        return Vec::new();
    }
    let row = |it: &AnsweredRequest| {
        vec![format!("{} {}", it.method, it.url), it.of.clone(), it.status.to_string()]
    };
    let head = ["Request", "What", "Status"].map(str::to_owned).to_vec();
    let (rows, whole) = (asked.iter().map(row).collect(), width == Width::Wide);
    let title = "What imgconv asked the registry, and its answers";
    vec![Block::Head(title.to_owned()), Block::Grid(Grid { head, rows, whole })]
}

fn steps(side: &TransferSide, width: Width) -> Vec<Card> {
    side.steps.iter().map(|step| card(step, width)).collect()
}

fn card(step: &TransferStep, width: Width) -> Card {
    let shown = match width {
        Width::Wide => step.requests.len(),
        Width::Narrow if step.requests.len() <= REQUESTS + 1 => step.requests.len(),
        Width::Narrow => REQUESTS,
    };
    let mut lines: Vec<Line> = step.requests.iter().take(shown).map(request).collect();
    if shown < step.requests.len() {
        lines.push(Line::Say(format!("… and {} more requests", step.requests.len() - shown)));
    }
    if let Some(checked) = step.checked {
        let errors: Vec<String> = step.errors.iter().map(|it| format!("\"{it}\"")).collect();
        let error = match errors.is_empty() {
            true => String::new(),
            false => format!("; else {}", errors.join(" or ")),
        };
        lines.push(Line::Checked(format!("{checked}{error}")));
    }
    lines.extend(step.note.clone().map(Line::Say));
    lines.extend(step.unchecked.map(|unchecked| Line::Unchecked(unchecked.to_owned())));
    Card { title: step.title.clone(), lines }
}

fn request(request: &HttpRequest) -> Line {
    let size = request.size.map(|size| format!("  {}", human(size))).unwrap_or_default();
    Line::Code(format!("{} {}{size}", request.method, request.path))
}
