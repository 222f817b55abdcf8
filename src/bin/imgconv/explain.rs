//! `imgconv explain`: explains the digests of an image.

use std::ffi::OsString;
use std::path::Path;

use clap::builder::{PossibleValuesParser, TypedValueParser as _};
use clap_complete::engine::ArgValueCompleter;
use imgconv::error::Shown;
use imgconv::explain::{Question, Topic, arrival, code, codes, explain};
use imgconv::reference::Reference;

use crate::args::{
    Choosing, OutputFormat, PageFormat, ReadingArgs, Threads, VerbosityArgs, temporary,
};
use crate::completions;
use crate::failure::Failure;
use crate::place::PlaceArg;
use crate::render::{self, Width};
use crate::ui::Ui;

/// Explain the digests, documents, pull, push and conversions of an image
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  imgconv explain nginx.tar
  imgconv explain --topic manifest-json --topic pull nginx.tar
  imgconv explain --format html nginx.tar > nginx.html
  imgconv explain --list
  imgconv explain zstd")]
pub(crate) struct Args {
    /// Docker archive, layout, config or manifest: a path, - for a pipe, or docker://NAME; or a code from --list
    #[arg(required_unless_present = "list", value_name = "SOURCE|CODE", add = ArgValueCompleter::new(completions::codes_and_paths))]
    source: Option<OsString>,
    /// Topic to explain; may be repeated [default: all but recovery]
    #[arg(long, value_name = "TOPIC", value_parser = topics())]
    topic: Vec<Topic>,
    /// List all topics and codes
    #[arg(long, conflicts_with = "source")]
    list: bool,
    /// Output format
    #[arg(long, value_enum, default_value_t = PageFormat::Text, value_name = "FORMAT")]
    format: PageFormat,
    /// Image name to use in the text
    #[arg(short, long, value_name = "NAME")]
    tag: Option<String>,
    #[command(flatten)]
    choosing: Choosing,
    #[command(flatten)]
    reading: ReadingArgs,
    #[command(flatten)]
    threads: Threads,
    #[command(flatten)]
    verbosity: VerbosityArgs,
}

fn topics() -> impl clap::builder::TypedValueParser<Value = Topic> {
    let names = Topic::ALL.map(Topic::name);
    PossibleValuesParser::new(names).map(|name| name.parse().unwrap_or(Topic::Digests))
}

/// The error for text that is neither a file nor a code.
fn neither(text: &str) -> Failure {
    let shown = Shown(text);
    let hint = match text.parse::<Topic>() {
        Ok(topic) => {
            format!("pass a source: imgconv explain --topic {} SOURCE", topic.name())
        }
        Err(_) => "run imgconv explain --list to see all topics and codes".to_owned(),
    };
    Failure::usage(format!("{shown}: not a file, and not a known code"), hint)
}

impl Args {
    pub(crate) fn run(&self, ui: &Ui) -> Result<(), Failure> {
        self.verbosity.apply(ui);
        if self.format == PageFormat::Json {
            ui.answer_failures(OutputFormat::Json);
        }
        let Some(source) = &self.source else {
            return ui.answer(&render::catalogue(&codes(), self.format));
        };
        // An existing path takes precedence over a code.
        let there = Path::new(source).symlink_metadata().is_ok();
        let word = source.to_str().unwrap_or_default();
        if let Some(code) = code(word).filter(|_| !there) {
            return ui.answer(&render::catalogue(&[code], self.format));
        }
        let place = PlaceArg::parse(source)?;
        if !there && place.transport.is_none() && !place.is_pipe() {
            return Err(neither(&source.to_string_lossy()));
        }
        self.reading.access.needed(&[&place])?;
        self.reading.access.connect(self.threads.count());
        let mut wanted = Question::default();
        wanted.images = self.choosing.images(&place);
        wanted.platform = self.choosing.one_platform()?;
        wanted.name = self.name()?;
        wanted.topics.clone_from(&self.topic);
        wanted.threads = self.threads.count();
        let mut options = self.reading.options(&place, temporary());
        options.arrival = arrival(&wanted);
        let facts = explain(place.input(ui, &self.reading.access)?, &options, &wanted, ui)?;
        let width = if self.verbosity.verbose { Width::Wide } else { Width::Narrow };
        ui.answer(&render::explanation(&facts, self.format, width))
    }

    fn name(&self) -> Result<Option<Reference>, Failure> {
        let name = self.tag.as_deref().map(|tag| crate::place::name("--tag", tag)).transpose()?;
        Ok(name.and_then(|name| name.reference))
    }
}
