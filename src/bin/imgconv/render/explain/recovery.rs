//! Whether the layers of a registry come back, layer by layer.

use imgconv::explain::{ExplainedRecovery, RecoverableLayer};

use super::page::{Block, Card, Line, pair};
use crate::render::human;

/// What is said of it.
pub(super) fn blocks(facts: &ExplainedRecovery) -> Vec<Block> {
    let mut blocks = vec![Block::Say(facts.answer.to_owned())];
    if facts.layers.is_empty() {
        blocks.push(Block::Say("The layers are not in this source.".to_owned()));
        return blocks;
    }
    let cards = facts.layers.iter().map(|layer| card(layer, facts.known_writers));
    blocks.push(Block::Cards(cards.collect()));
    if let Some(pushed) = &facts.pushed {
        blocks.push(Block::Pairs(vec![pair(
            "docker push",
            format!("would send a manifest with the digest {pushed}"),
        )]));
    }
    blocks.push(Block::Head("What to type".to_owned()));
    let command = |title: &str, command: &str| Card {
        title: title.to_owned(),
        lines: vec![Line::Code(command.to_owned())],
    };
    let mut commands = Vec::new();
    if facts.layers.iter().any(|it| !it.made.is_empty()) {
        commands.push(command(
            "With the manifest of the registry, or only its digest",
            "imgconv save2oci SOURCE LAYOUT --recover docker://NAME",
        ));
        commands.push(command(
            "Without it, with the digests of docker push",
            "imgconv save2oci SOURCE LAYOUT --gzip-like docker --manifest docker",
        ));
    }
    if facts.layers.iter().any(|it| it.made.is_empty()) {
        commands.push(command(
            "Before compressed layers are lost: keep what brings them back, whoever compressed them",
            "imgconv oci2save SOURCE ARCHIVE -d classic --recovery-file FILE",
        ));
    }
    blocks.push(Block::Cards(commands));
    blocks
}

fn card(layer: &RecoverableLayer, known: usize) -> Card {
    let title = format!("layer {}, {}", layer.layer, layer.compression);
    let mut lines = Vec::new();
    if let Some(digest) = layer.digest.as_ref().filter(|_| layer.made.is_empty()) {
        lines.push(Line::Pair(pair("digest", digest.as_str())));
    }
    let said = match (&layer.writer, layer.compression) {
        (Some(writer), _) => {
            format!(
                "It was compressed {writer}. A manifest that lists it is enough to bring it back."
            )
        }
        (None, "gzip") => format!(
            "None of {known} known writers gives these bytes. A recovery file brings them back."
        ),
        (None, _) if layer.made.is_empty() => "A recovery file brings it back.".to_owned(),
        (None, _) => "Each program would give it another digest:".to_owned(),
    };
    lines.push(Line::Say(said));
    lines.extend(
        layer.made.iter().map(|made| {
            Line::Pair(pair(made.like, format!("{}, {}", made.digest, human(made.size))))
        }),
    );
    Card { title, lines }
}
