//! Prints the facts of `inspect`, in 80 columns or in full.

use std::fmt::Write as _;

use imgconv::error::Shown;
use imgconv::inspect::{
    InspectedChild, InspectedEntry, InspectedImage, InspectedLayer, Inspection,
};

use imgconv::recover::KnownWriter;
use imgconv::source::Kind;

use super::{Width, human, names};

const COLUMNS: usize = 80;

/// All facts of `inspect`; full digests if wide.
pub(crate) fn inspection(facts: &Inspection, width: Width) -> String {
    let mut text = format!("{}: {}\n", facts.source, facts.kind.name());
    if let Some(producer) = &facts.producer {
        let _ = writeln!(text, "as written by {}", producer.name);
        for sign in &producer.evidence {
            let _ = writeln!(text, "  {sign}");
        }
    }
    for entry in &facts.entries {
        entry_lines(&mut text, entry, facts, width);
    }
    for it in facts.findings.iter().rev() {
        let _ = writeln!(text, "\n{} {}: {it}", it.severity, it.code);
    }
    text
}

fn entry_lines(text: &mut String, entry: &InspectedEntry, facts: &Inspection, width: Width) {
    let number = entry.number.map(|at| format!("@{at} ")).unwrap_or_default();
    let _ = writeln!(text, "\n{number}{}", names(&entry.names));
    if entry.what != "image" {
        let digest = entry.digest.as_deref().unwrap_or_default();
        // For a single document, the first line already shows this.
        let alone = facts.kind != Kind::Index && is_alone(&entry.children);
        let alone = if alone { " (none of its children are in this source)" } else { "" };
        let _ = writeln!(text, "  {}{alone}\n  digest {digest}", entry.what);
    }
    children(text, &entry.children, 1, width);
    for at in &entry.images {
        let Some(image) = facts.images.get(*at) else { continue };
        if entry.what != "image" {
            let _ = writeln!(text, "\nimage {at}");
        }
        image_lines(text, image, width);
    }
}

/// Whether everything below an index is missing, as after skopeo's `--multi-arch=index-only`.
fn is_alone(children: &[InspectedChild]) -> bool {
    !children.is_empty() && children.iter().all(|child| child.what == "absent")
}

/// The tree below an index, one line each.
fn children(text: &mut String, all: &[InspectedChild], depth: usize, width: Width) {
    for child in all {
        let indent = "  ".repeat(depth);
        let platform = child.platform.as_deref().unwrap_or("-");
        let platform = Shown(platform).to_string();
        let place = child.image.map(|at| format!(" (image {at})")).unwrap_or_default();
        let digest = short(&child.digest, width);
        let line = format!("{indent}- {:12} {platform:16} {digest}{place}", child.what);
        let _ = writeln!(text, "{}", line.trim_end());
        children(text, &child.children, depth + 1, width);
    }
}

/// The full digest if wide, otherwise its first twelve digits.
fn short(digest: &str, width: Width) -> String {
    match width {
        Width::Wide => digest.to_owned(),
        Width::Narrow => digest.chars().take("sha256:".len() + 12).collect(),
    }
}

fn image_lines(text: &mut String, image: &InspectedImage, width: Width) {
    let manifest = image.manifest_digest.as_deref().unwrap_or("none (no manifest in this source)");
    let count = match image.layers.len() {
        1 => "1 layer".to_owned(),
        count => format!("{count} layers"),
    };
    let _ = writeln!(text, "  image  {}", image.image_id);
    let _ = writeln!(text, "  digest {manifest}");
    let _ = writeln!(text, "  for    {}", Shown(&image.platform));
    if image.layers.iter().all(|it| it.size.is_none()) {
        let _ = writeln!(text, "  size   unknown: {count}, none in this source");
    } else {
        let _ = writeln!(text, "  size   {} in {count}", human(image.layers_size));
    }
    for layer in &image.layers {
        match width {
            Width::Wide => wide(text, layer),
            Width::Narrow => narrow(text, layer),
        }
        if let Some(writer) = &layer.writer {
            let _ = writeln!(text, "      compressed {}", by(writer.as_ref()));
        }
    }
}

/// The program that compressed a layer.
pub(super) fn by(writer: Option<&KnownWriter>) -> String {
    writer.map_or_else(|| "by an unknown writer".to_owned(), ToString::to_string)
}

fn size(layer: &InspectedLayer) -> String {
    layer.size.map_or_else(|| "absent".to_owned(), human)
}

/// One line of at most [`COLUMNS`].
fn narrow(text: &mut String, layer: &InspectedLayer) {
    let id: String = layer.diff_id.trim_start_matches("sha256:").chars().take(12).collect();
    let shared = if layer.shared_with.is_empty() { "" } else { "shared " };
    let codec = layer.compression.unwrap_or("-");
    let made = Shown(&layer.created_by).to_string();
    let line = format!("  {:>3} {:>10} {codec:12} {id} {shared}{made}", layer.layer, size(layer));
    let cut: String = if line.chars().count() > COLUMNS {
        line.chars().take(COLUMNS - 1).chain(['…']).collect()
    } else {
        line
    };
    let _ = writeln!(text, "{}", cut.trim_end());
}

fn wide(text: &mut String, layer: &InspectedLayer) {
    let _ = write!(text, "  layer {:<3} {}", layer.layer, size(layer));
    let _ = writeln!(text, ", {}", layer.compression.unwrap_or("compression unknown"));
    if let Some(digest) = &layer.digest {
        let _ = writeln!(text, "    digest    {digest}");
    }
    let _ = writeln!(text, "    diff ID   {}", layer.diff_id);
    if let Some(size) = layer.uncompressed_size {
        let _ = writeln!(text, "    uncompressed {}", human(size));
    }
    let _ = writeln!(text, "    chain ID  {}", layer.chain_id);
    let _ = writeln!(text, "    V1 layer ID {}", layer.v1_layer_id);
    let _ = writeln!(text, "    made by   {}", Shown(&layer.created_by));
    if !layer.shared_with.is_empty() {
        let others: Vec<String> = layer.shared_with.iter().map(ToString::to_string).collect();
        let _ = writeln!(text, "    shared with image {}", others.join(", "));
    }
}
