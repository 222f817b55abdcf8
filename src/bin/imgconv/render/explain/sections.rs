//! What is said on each topic, block by block.

use imgconv::explain::{
    DigestFacts, ExplainedConversion, ExplainedDocuments, ExplainedIds, ExplainedLayer,
    ExplainedManifestJson, Explanation, Fate, FieldChange, Origin, Status, Topic, VersionRow,
};

use super::page::{
    Bar, Block, Card, Grid, LabelledValue, Line, Page, Section, SourceText, pair, short,
};
use super::picture::picture;
use super::recovery;
use super::shared;
use super::wire::transfer;
use crate::render::{Width, brief, human};

/// So many layers are told of one by one where not all are asked for.
const LAYERS: usize = 6;

/// So much of an instruction is shown, in characters.
const INSTRUCTION: usize = 300;
/// So much of a name or path.
const NAME: usize = 200;
/// In the title of a document that is too large for a page.
const SHORTENED: &str = ", shortened";

/// The page of an image.
pub(super) fn page(facts: &Explanation, width: Width) -> Page {
    let name = facts.names.first().cloned();
    let id = facts.image_id.as_ref().map(|id| format!("image {}", short(id)));
    let name = name.or(id).unwrap_or_else(|| "an image without a name".to_owned());
    let mut head = vec![pair("source", format!("{} ({})", facts.source, facts.kind))];
    if let Some(producer) = &facts.producer {
        head.push(pair("written by", producer.name));
    }
    if facts.names.len() > 1 {
        head.push(pair("names", brief(&facts.names.join(", "), 2 * NAME)));
    }
    if let Some(platform) = &facts.platform {
        head.push(pair("platform", platform.as_str()));
    }
    head.push(pair("image ID", facts.image_id.clone().unwrap_or_else(|| "not known".to_owned())));
    head.push(pair("layers", layers_in_words(&facts.layers)));
    let mut notes: Vec<String> = facts.findings.iter().map(ToString::to_string).collect();
    notes.extend_from_slice(&facts.remarks);
    if !facts.other_platforms.is_empty() {
        let others = facts.other_platforms.join(", ");
        notes.push(format!("there is more in this source: {others}; --platform chooses"));
    }
    let sections = Topic::ALL.into_iter().filter_map(|topic| {
        let blocks = blocks(facts, topic, width)?;
        Some(Section { id: topic.name(), title: topic.question(), blocks })
    });
    let shared = facts.shared_layers.as_ref().map(|it| shared::section(it, width));
    let sections: Vec<Section> = sections.chain(shared).collect();
    let short = if sections.len() > 2 { answers(facts) } else { Vec::new() };
    Page { title: name, facts: head, notes, short, sections }
}

/// The answers to the two questions that most readers come with.
fn answers(facts: &Explanation) -> Vec<LabelledValue> {
    let manifest_json = facts.manifest_json.as_ref().map(|it| (Topic::ManifestJson, it.answer));
    let pull = facts.pull.as_ref().map(|it| (Topic::Pull, it.answer));
    let answers = manifest_json.into_iter().chain(pull);
    answers.map(|(topic, answer)| pair(topic.question(), answer)).collect()
}

fn layers_in_words(layers: &[ExplainedLayer]) -> String {
    // Claims may be larger than any sum.
    let sum = |size: &dyn Fn(&ExplainedLayer) -> Option<u64>| {
        layers.iter().try_fold(0_u64, |sum, layer| sum.checked_add(size(layer)?))
    };
    match (sum(&|layer| layer.uncompressed_size), sum(&|layer| layer.size)) {
        (Some(plain), Some(stored)) if plain != stored => {
            format!("{}, {} stored, {} uncompressed", layers.len(), human(stored), human(plain))
        }
        (Some(size), _) | (None, Some(size)) => format!("{}, {}", layers.len(), human(size)),
        (None, None) => format!("{}, not here", layers.len()),
    }
}

fn blocks(facts: &Explanation, topic: Topic, width: Width) -> Option<Vec<Block>> {
    Some(match topic {
        Topic::Digests => {
            let digests = &facts.digests.as_ref()?.digests;
            digests_blocks(facts, digests, width)
        }
        Topic::Documents => documents(facts.documents.as_ref()?),
        Topic::ManifestJson => manifest_json(facts.manifest_json.as_ref()?),
        Topic::Pull => transfer(facts.pull.as_ref()?, width),
        Topic::Push => transfer(facts.push.as_ref()?, width),
        Topic::Conversions => {
            let conversions = facts.conversions.as_ref()?;
            let mut blocks = vec![Block::Say(
                "The config goes everywhere byte for byte but to schema 1, which has none; so image \
                 ID and diff IDs stay. What changes is what packages them."
                    .to_owned(),
            )];
            blocks.extend(conversions.note.map(|note| Block::Say(note.to_owned())));
            blocks.push(Block::Cards(conversions.conversions.iter().map(conversion).collect()));
            blocks
        }
        Topic::Ids => ids(facts.ids.as_ref()?),
        Topic::History => history(facts)?,
        Topic::Recovery => recovery::blocks(facts.recovery.as_ref()?),
    })
}

fn digests_blocks(facts: &Explanation, digests: &[DigestFacts], width: Width) -> Vec<Block> {
    let mut blocks = vec![
        Block::Say(
            "A digest names bytes and nothing else. One image has several, as it is several byte \
             strings: uncompressed layers, stored layers (most often compressed), a config that \
             lists the uncompressed ones, a manifest that lists the stored ones and the config."
                .to_owned(),
        ),
        Block::Picture(picture(facts, digests)),
    ];
    let count = facts.layers.len();
    let shown = |layer: usize| width == Width::Wide || layer <= LAYERS || layer == count;
    let mut rows = Vec::new();
    for fact in digests.iter().filter(|fact| fact.layer.is_none_or(shown)) {
        let name = match fact.layer {
            Some(layer) => format!("{} of layer {layer}", fact.name),
            None => fact.name.to_owned(),
        };
        let value = fact.value.clone().unwrap_or_else(|| format!("none: {}", fact.why));
        rows.push(vec![name, value, fact.status.name().to_owned()]);
    }
    let head = ["digest", "value", "status"].map(str::to_owned).to_vec();
    blocks.push(Block::Grid(Grid { head, rows, whole: true }));
    if count > LAYERS && width == Width::Narrow {
        let hidden = count - LAYERS - 1;
        blocks.push(Block::Say(format!("{hidden} more layers are left out; -v shows them.")));
    }
    let used =
        Status::ALL.into_iter().filter(|status| digests.iter().any(|it| it.status == *status));
    blocks.push(Block::Pairs(used.map(|it| pair(it.name(), it.meaning())).collect()));
    let mut rules: Vec<(&str, &str, &str)> = Vec::new();
    for fact in digests {
        let rule = (fact.name, fact.of, fact.section);
        if !rules.contains(&rule) {
            rules.push(rule);
        }
    }
    blocks.push(Block::Head("Which bytes each one is of".to_owned()));
    let rules = rules.into_iter().map(|(name, of, section)| Card {
        title: name.to_owned(),
        lines: vec![Line::Say(format!("sha256 of {of}")), Line::Rule(section)],
    });
    blocks.push(Block::Cards(rules.collect()));
    blocks
}

fn documents(documents: &ExplainedDocuments) -> Vec<Block> {
    let mut blocks = vec![Block::Say(
        "Five documents tell of this image. Read across: the same fact, in the words of each."
            .to_owned(),
    )];
    let mut head = vec![String::new()];
    head.extend(documents.documents.iter().map(|document| document.kind.to_owned()));
    let rows = documents.rows.iter().map(|row| {
        let mut cells = vec![row.label.to_owned()];
        cells.extend(row.cells.iter().map(|cell| brief(cell, NAME)));
        cells
    });
    blocks.push(Block::Matrix(Grid { head, rows: rows.collect(), whole: false }));
    let mut sources = Vec::new();
    let mut missing = Vec::new();
    for document in &documents.documents {
        let size = document.size.map(|size| format!(", {size} bytes")).unwrap_or_default();
        let origin = match document.origin {
            Origin::Source => "in this source",
            Origin::Saved => "in this source, made by docker save",
            Origin::Made => "made here",
            Origin::Missing => "not available",
        };
        let cut = if document.shortened { SHORTENED } else { "" };
        let title = format!("{}: {origin}{size}{cut}", document.kind);
        match &document.text {
            Some(text) => sources.push(SourceText { title, text: text.clone() }),
            None => missing.push(pair(title, document.missing.clone().unwrap_or_default())),
        }
    }
    blocks.push(Block::Sources(sources));
    if !missing.is_empty() {
        blocks.push(Block::Pairs(missing));
    }
    blocks
}

fn manifest_json(facts: &ExplainedManifestJson) -> Vec<Block> {
    let title = match facts.here {
        true => "The item of this image in manifest.json",
        false => "The item that docker save up to docker 24 would write",
    };
    let title = format!("{title}{}", if facts.shortened { SHORTENED } else { "" });
    let points = facts.points.iter().map(|point| Card {
        title: point.title.to_owned(),
        lines: vec![
            Line::Say(point.rule.to_owned()),
            Line::Pair(pair("here", brief(&point.here, 2 * NAME))),
            Line::Rule(point.section),
        ],
    });
    let mut blocks = vec![
        Block::Say(facts.answer.to_owned()),
        Block::Sources(vec![SourceText { title, text: facts.text.clone() }]),
        Block::Steps(points.collect()),
    ];
    blocks.extend(versions(
        "What docker save writes, and what is read of it",
        &facts.versions,
        facts.which_store,
    ));
    blocks
}

/// What differs between stores and versions, and how to see which one is used.
pub(super) fn versions(title: &str, rows: &[VersionRow], which_store: &str) -> [Block; 3] {
    let cards = rows.iter().map(|row| Card {
        title: format!("{}, {}", row.action, row.who()),
        lines: vec![Line::Say(row.does.to_owned()), Line::Pair(pair("source", row.source))],
    });
    [
        Block::Head(title.to_owned()),
        Block::Say(which_store.to_owned()),
        Block::Cards(cards.collect()),
    ]
}

fn conversion(conversion: &ExplainedConversion) -> Card {
    let mut lines = vec![Line::Code(format!("imgconv {}", conversion.command))];
    if let Some(refused) = &conversion.refused {
        lines.push(Line::Say(format!("Not possible here: {refused}.")));
    }
    lines.extend(
        grouped(&conversion.changes)
            .into_iter()
            .map(|(label, value)| Line::Pair(pair(label, value))),
    );
    if conversion.refused.is_none() && !conversion.changes.is_empty() {
        let lost = conversion
            .losses
            .iter()
            .map(|loss| format!("{}: {} ({})", brief(&loss.what, NAME), loss.text, loss.code));
        let lost: Vec<String> = lost.collect();
        let lost = if lost.is_empty() { "nothing".to_owned() } else { lost.join("; ") };
        lines.push(Line::Pair(pair("lost", lost)));
    }
    Card { title: conversion.target.to_owned(), lines }
}

/// One line per kind of digest; layers together where the same becomes of all.
fn grouped(changes: &[FieldChange]) -> Vec<(String, String)> {
    let mut lines: Vec<(String, String)> = Vec::new();
    let mut at = 0;
    while let Some(first) = changes.get(at) {
        let run = changes.iter().skip(at);
        let same = |it: &&FieldChange| it.name == first.name && it.fate == first.fate;
        let count = run.take_while(same).count();
        let label = match count {
            1 => first
                .layer
                .map_or_else(|| first.name.to_owned(), |layer| format!("{} {layer}", first.name)),
            many => format!("{many} {}s", first.name),
        };
        lines.push((label, fate(first, count)));
        at += count;
    }
    lines
}

fn fate(change: &FieldChange, count: usize) -> String {
    let first = if count > 1 { ", the first" } else { ":" };
    match (change.fate, &change.before, &change.after) {
        (Fate::Same, Some(before), _) => format!("same{first} {before}"),
        (Fate::New, Some(before), Some(after)) => format!("new{first} {before} becomes {after}"),
        (Fate::New, Some(before), None) => format!("new{first} {before} becomes another one"),
        (Fate::Made, _, Some(after)) => format!("made{first} {after}"),
        (Fate::Made, _, None) => "made, known once it is written".to_owned(),
        (Fate::Gone, Some(before), _) => format!("gone{first} {before}"),
        _ => "none before, none after".to_owned(),
    }
}

fn ids(ids: &ExplainedIds) -> Vec<Block> {
    let sights = ids.sights.iter().map(|sight| {
        let value = match &sight.value {
            Some(value) => format!("{value} ({})", sight.status.name()),
            None => "not known from this source".to_owned(),
        };
        Card {
            title: sight.place.to_owned(),
            lines: vec![Line::Pair(pair(sight.shows, value)), Line::Say(sight.why.to_owned())],
        }
    });
    let head = ["what happens", "diff ID", "layer", "image ID", "manifest"];
    let rows = ids.changes.iter().map(|row| {
        let cells = [row.action, row.diff_id, row.layer_digest, row.image_id, row.manifest_digest];
        cells.map(str::to_owned).to_vec()
    });
    let statuses = Status::ALL.into_iter();
    let used = statuses
        .filter(|status| ids.sights.iter().any(|it| it.status == *status && it.value.is_some()));
    let mut blocks = vec![
        Block::Say(
            "All of these are right: each names other bytes. The config names the uncompressed layers \
             and is named by the image ID; the manifest names the compressed layers and the \
             config. So a new compression changes the manifest's digest and not the image ID. \
             docker images shows the image ID with the graph driver store, and the digest of the \
             manifest or index with the containerd store."
                .to_owned(),
        ),
        Block::Cards(sights.collect()),
        Block::Pairs(used.map(|it| pair(it.name(), it.meaning())).collect()),
        Block::Head("What changes which".to_owned()),
        Block::Grid(Grid {
            head: head.map(str::to_owned).to_vec(),
            rows: rows.collect(),
            whole: false,
        }),
    ];
    blocks.extend(versions("Which versions", &ids.versions, ids.which_store));
    blocks
}

fn history(facts: &Explanation) -> Option<Vec<Block>> {
    let history = facts.history.as_ref()?;
    let mut blocks = vec![Block::Say(format!(
        "Instructions: {}. Of these {} made a layer, {} only changed the config (empty_layer). \
         Oldest first, as in the config; docker history shows the newest first.",
        history.steps.len(),
        history.with_layer,
        history.empty
    ))];
    let cards = history.steps.iter().map(|step| {
        let made = match step.layer {
            Some(layer) => format!("layer {layer}"),
            None => "no layer".to_owned(),
        };
        let created_by: String = match step.created_by.is_empty() {
            true => "the history does not say".to_owned(),
            false => brief(&step.created_by, INSTRUCTION),
        };
        let mut lines = vec![Line::Code(created_by)];
        if let (Some(diff_id), Some(legacy)) = (&step.diff_id, &step.v1_layer_id) {
            lines.push(Line::Say(format!("diff ID {diff_id}, V1 layer ID {legacy}")));
        }
        Card { title: format!("{made}, {}", step.created), lines }
    });
    blocks.push(Block::Steps(cards.collect()));
    let bars = bars(&facts.layers);
    if !bars.is_empty() {
        blocks.push(Block::Head("Layers by their size".to_owned()));
        blocks.push(Block::Bars(bars));
    }
    blocks.push(Block::Say(format!(
        "Archives of docker 1.10 to 24 have a folder per layer, named by its V1 layer ID, with \
         layer.tar, VERSION and json; docker 17.04 to 24 name them by the V1 layer IDs shown here. \
         The json of the top layer repeats the config without rootfs and history; those below have \
         id, parent (but for the lowest), created (1970-01-01), os and an empty container_config. {}",
        match history.legacy_folders {
            true => "This source has these folders.",
            false => "This source has no such folders.",
        }
    )));
    Some(blocks)
}

fn bars(layers: &[ExplainedLayer]) -> Vec<Bar> {
    // Of layers that are not here, a manifest may say how large they are stored.
    let size = |layer: &ExplainedLayer| layer.uncompressed_size.or(layer.size);
    let most = layers.iter().filter_map(size).max().unwrap_or(0).max(1);
    let bar = |layer: &ExplainedLayer| {
        let size = size(layer)?;
        let share = u64::try_from(u128::from(size) * 1000 / u128::from(most)).unwrap_or(1000);
        let label = format!("layer {}", layer.layer);
        Some(Bar { label, size, share, detail: brief(&layer.created_by, 120) })
    };
    layers.iter().filter_map(bar).collect()
}
