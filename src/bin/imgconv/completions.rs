//! `imgconv completions`: a script for a shell, which asks the command itself what can follow, so
//! that names, digests and platforms of the source typed so far are among it.

use std::ffi::{OsStr, OsString};
use std::io::Read as _;

use clap::{CommandFactory as _, ValueEnum};
use clap_complete::CompleteEnv;
use clap_complete::engine::CompletionCandidate;
use clap_complete::env::Shells;
use imgconv::bytes::files::Input;
use imgconv::codec::Compression;
use imgconv::explain::codes;
use imgconv::progress::Quiet;
use imgconv::source::{Source, open_any};

use crate::args::{ReadingArgs, temporary};
use crate::failure::Failure;
use crate::place::PlaceArg;
use crate::ui::Ui;

/// Print a completion script for a shell
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  imgconv completions bash > /etc/bash_completion.d/imgconv
  imgconv completions zsh > \"${fpath[1]}/_imgconv\"
  imgconv completions fish > ~/.config/fish/completions/imgconv.fish

The script runs imgconv to complete the names, digests and platforms of the source on the line.")]
pub(crate) struct Args {
    /// Shell to print the script for
    #[arg(value_enum)]
    shell: Shell,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Shell {
    Bash,
    Zsh,
    Fish,
    Elvish,
    Powershell,
}

/// The variable by which a script asks.
const ASKS: &str = "COMPLETE";

impl Args {
    pub(crate) fn run(&self, ui: &Ui) -> Result<(), Failure> {
        if self.shell == Shell::Bash {
            return ui.answer(BASH);
        }
        let name = self.shell.to_possible_value();
        let name = name.as_ref().map_or("", |it| it.get_name());
        let mut script = Vec::new();
        if let Some(shell) = Shells::builtins().completer(name) {
            let written =
                shell.write_registration(ASKS, "imgconv", "imgconv", "imgconv", &mut script);
            written.map_err(Failure::Output)?;
        }
        ui.answer(&String::from_utf8_lossy(&script))
    }
}

/// Bash cuts words at colons, which names of images have: they are put together again for the
/// question, and what is typed already is taken off the answers.
const BASH: &str = r#"_imgconv() {
    local IFS=$'\013' words=() index=0 at word joined=false
    for ((at = 0; at <= COMP_CWORD; at++)); do
        word=${COMP_WORDS[at]}
        if ((${#words[@]} > 1)) && { $joined || [[ $word == :* ]]; }; then
            words[${#words[@]} - 1]+=$word
        else
            words+=("$word")
        fi
        joined=false
        [[ $word == *: ]] && joined=true
    done
    index=$((${#words[@]} - 1))
    local current=${words[index]}
    local prefix=${current%"${current##*:}"}
    COMPREPLY=($(
        _CLAP_IFS="$IFS" _CLAP_COMPLETE_INDEX="$index" _CLAP_COMPLETE_COMP_TYPE="$COMP_TYPE" \
            _CLAP_COMPLETE_SPACE=false COMPLETE=bash imgconv -- "${words[@]}" 2> /dev/null
    )) || COMPREPLY=()
    COMPREPLY=("${COMPREPLY[@]#"$prefix"}")
    if [[ ${#COMPREPLY[@]} == 1 && ${COMPREPLY[0]} =~ [=/:]$ ]]; then
        compopt -o nospace 2> /dev/null
    fi
}
complete -o bashdefault -o nosort -F _imgconv imgconv 2> /dev/null ||
    complete -o bashdefault -F _imgconv imgconv
"#;

/// Answers a script that asks, and ends the process then.
pub(crate) fn answer() {
    CompleteEnv::with_factory(crate::Command::command).var(ASKS).complete();
}

/// Names, short digests and numbers of the images of the sources on the line.
pub(crate) fn images(current: &OsStr) -> Vec<CompletionCandidate> {
    let mut found = Vec::new();
    for source in sources() {
        for (at, entry) in source.entries.iter().enumerate() {
            let names: Vec<String> = entry.names.iter().map(imgconv::image::Name::shown).collect();
            let what = names.first().cloned().unwrap_or_else(|| "without a name".to_owned());
            found.extend(names.iter().map(|name| (name.clone(), "image".to_owned())));
            found.push((format!("@{at}"), what.clone()));
            let digest = entry.descriptor.as_ref().map(|it| it.digest.to_string());
            found.extend(digest.map(|digest| (short(&digest), what.clone())));
        }
        for image in source.images() {
            found.push((short(&image.id.to_string()), format!("image ID, {}", image.platform)));
        }
    }
    candidates(current, found)
}

/// So much of a digest as tells it from others.
fn short(digest: &str) -> String {
    digest.chars().take("sha256:".len() + 12).collect()
}

/// The platforms of the images of the sources on the line.
pub(crate) fn platforms(current: &OsStr) -> Vec<CompletionCandidate> {
    let mut found: Vec<(String, String)> =
        [("all", "every platform"), ("local", "that of this machine")]
            .map(|(value, help)| (value.to_owned(), help.to_owned()))
            .into();
    for source in sources() {
        for image in source.images() {
            found.push((image.platform.to_string(), String::new()));
        }
    }
    candidates(current, found)
}

/// What `explain` takes in the place of a source: codes of reasons and findings, and paths.
pub(crate) fn codes_and_paths(current: &OsStr) -> Vec<CompletionCandidate> {
    use clap_complete::engine::{PathCompleter, ValueCompleter as _};
    let all = codes().into_iter().map(|it| (it.code.to_owned(), it.meaning.to_owned()));
    let mut found = candidates(current, all.collect());
    found.extend(PathCompleter::any().complete(current));
    found
}

fn candidates(current: &OsStr, mut found: Vec<(String, String)>) -> Vec<CompletionCandidate> {
    let mut seen = std::collections::BTreeSet::new();
    found.retain(|(value, _)| seen.insert(value.clone()));
    let typed = current.to_string_lossy();
    let fitting = found.into_iter().filter(|(value, _)| value.starts_with(&*typed));
    let candidate = |(value, help): (String, String)| {
        CompletionCandidate::new(value).help((!help.is_empty()).then(|| help.into()))
    };
    fitting.map(candidate).collect()
}

/// The sources on the line that can be opened at once: nothing is decompressed for a question.
fn sources() -> Vec<Source> {
    let words = std::env::args_os().skip_while(|word| word != "--").skip(2);
    words.filter_map(|word| source(&word)).collect()
}

fn source(word: &OsString) -> Option<Source> {
    let place = PlaceArg::parse(word).ok().filter(|place| !place.is_pipe())?;
    let there = std::fs::metadata(&place.path).ok()?;
    if !there.is_dir() {
        let mut head = Vec::new();
        let file = std::fs::File::open(&place.path).ok().filter(|_| there.is_file())?;
        file.take(512).read_to_end(&mut head).ok()?;
        if Compression::sniff(&head) != Compression::None {
            return None;
        }
    }
    let options = ReadingArgs::default().options(&place, temporary());
    open_any(Input::Path(place.path), &options, &Quiet).ok()
}
