//! Codes blocks, each with what was learned from those before it.

use std::io;

use super::headers::HeaderOdds;
use super::history::{AHEAD, History};
use super::odds::{BitCoder, NumberOdds, Odds, SymbolOdds};
use super::rules::Rules;
use super::stream::{Block, BlockKind, MOST_TOKENS, Token, wrong};
use super::tokens::TokenOdds;

/// What a program chooses, as far as it is known.
#[derive(Clone)]
pub(super) struct Model {
    pub(super) rules: Rules,
    tokens: TokenOdds,
    headers: HeaderOdds,
    /// Of a block that goes on: whether it is the last one, and its kind.
    open: Option<(bool, BlockKind)>,
    ends: Odds,
    last: [Odds; 4],
    kinds: Vec<SymbolOdds<2>>,
    kind_before: usize,
    is_near: [Odds; 2],
    remaining: NumberOdds,
    /// Whether the end of the member is known.
    near: bool,
    same_count: Odds,
    counts: NumberOdds,
    count_before: u64,
    same_length: Odds,
    length_before: u16,
    has_filler: Odds,
}

/// Provides uncompressed bytes: as many as are needed behind the place that is coded.
pub(super) trait PlainSource {
    /// Ends up with at least [`AHEAD`] bytes behind the place, or all that there are.
    fn provide(&mut self, history: &mut History) -> io::Result<()>;
}

/// All bytes are there.
pub(super) struct Provided;

impl PlainSource for Provided {
    fn provide(&mut self, _: &mut History) -> io::Result<()> {
        Ok(())
    }
}

impl Model {
    pub(super) fn new(rules: Rules) -> Self {
        Self {
            rules,
            tokens: TokenOdds::new(rules.search),
            headers: HeaderOdds::new(),
            open: None,
            ends: Odds::EVEN,
            last: [Odds::EVEN; 4],
            kinds: vec![SymbolOdds::new(); 4],
            kind_before: 3,
            is_near: [Odds::EVEN; 2],
            remaining: NumberOdds::new(),
            near: false,
            same_count: Odds::EVEN,
            counts: NumberOdds::new(),
            count_before: 0,
            same_length: Odds::EVEN,
            length_before: 0,
            has_filler: Odds::EVEN,
        }
    }

    pub(super) fn history(&mut self) -> &mut History {
        &mut self.tokens.history
    }

    /// A member begins: nothing before it can be referred to.
    pub(super) fn begin_member(&mut self) {
        let history = &mut self.tokens.history;
        history.floor = history.at;
        self.near = false;
        self.kind_before = 3;
        self.tokens.jump();
    }

    /// Codes one block. `remaining` are the bytes from its start to the end of the member, if that
    /// is near.
    pub(super) fn code(
        &mut self,
        coder: &mut impl BitCoder,
        (told, remaining): (&Block, Option<u64>),
        source: &mut impl PlainSource,
    ) -> io::Result<Block> {
        self.history().shift();
        let open = self.open.take();
        let last = match &open {
            Some((last, _)) => *last,
            None => coder.bit(&mut self.last[self.kind_before], told.last),
        };
        let near = &mut self.is_near[usize::from(last)];
        if !self.near && coder.bit(near, remaining.is_some()) {
            let remaining = self.remaining.code(coder, remaining.unwrap_or_default());
            self.near = true;
            let history = &mut self.tokens.history;
            let end = usize::try_from(remaining).ok().and_then(|it| it.checked_add(history.at));
            history.end = end.ok_or_else(|| wrong("an end that is too far"))?;
        }
        let begins = open.is_none();
        if begins {
            let kind = self.kinds[self.kind_before].code(coder, told.kind.number());
            self.kind_before = kind;
        }
        if self.kind_before == 0 {
            let kind = self.code_stored(coder, &told.kind, source)?;
            return Ok(Block { last, kind, tokens: Vec::new(), begins, ends: true });
        }
        let tokens = self.code_tokens(coder, &told.tokens, source)?;
        let kind = match (self.kind_before, open) {
            (_, Some((_, kind))) => kind,
            (1, None) => BlockKind::Fixed,
            (2, None) => {
                let none = Box::default();
                let told = if let BlockKind::Dynamic(header) = &told.kind { header } else { &none };
                let header = self.headers.code(coder, (self.rules.codes, &tokens), told);
                let header = header.ok_or_else(|| wrong("codes that are none"))?;
                BlockKind::Dynamic(Box::new(header))
            }
            _ => return Err(wrong("a block of no known kind")),
        };
        let ends = coder.bit(&mut self.ends, told.ends);
        if !ends && tokens.is_empty() {
            return Err(wrong("a piece of nothing"));
        }
        self.open = (!ends).then(|| (last, kind.clone()));
        Ok(Block { last, kind, tokens, begins, ends })
    }

    /// Gets more bytes, and sets the end of what may be looked at while the end is not near.
    fn provide(&mut self, source: &mut impl PlainSource) -> io::Result<()> {
        let history = &mut self.tokens.history;
        source.provide(history)?;
        if !self.near {
            history.end = history.bytes.len();
        }
        let needed =
            if self.near { history.end.min(history.at + AHEAD) } else { history.at + AHEAD };
        if history.bytes.len() < needed {
            return Err(wrong("corrections of more bytes than there are"));
        }
        Ok(())
    }

    fn code_tokens(
        &mut self,
        coder: &mut impl BitCoder,
        told: &[Token],
        source: &mut impl PlainSource,
    ) -> io::Result<Vec<Token>> {
        let mut count = told.len() as u64;
        if coder.bit(&mut self.same_count, count == self.count_before) {
            count = self.count_before;
        } else {
            count = self.counts.code(coder, count);
        }
        self.count_before = count;
        let count = usize::try_from(count).ok().filter(|count| *count <= MOST_TOKENS);
        let count = count.ok_or_else(|| wrong("a block of too many tokens"))?;
        let mut tokens = Vec::new();
        while tokens.len() < count {
            self.provide(source)?;
            let told = told.get(tokens.len()).copied().unwrap_or_default();
            let token = self.tokens.code(coder, told);
            tokens.push(token.ok_or_else(|| wrong("corrections of other bytes"))?);
        }
        Ok(tokens)
    }

    fn code_stored(
        &mut self,
        coder: &mut impl BitCoder,
        told: &BlockKind,
        source: &mut impl PlainSource,
    ) -> io::Result<BlockKind> {
        let (told_filler, told_length) = match told {
            BlockKind::Stored { filler, length } => (*filler, *length),
            _ => (0, 0),
        };
        let mut length = self.length_before;
        if !coder.bit(&mut self.same_length, told_length == length) {
            length = u16::try_from(coder.bits(16, told_length.into())).unwrap_or_default();
        }
        self.length_before = length;
        let mut filler = 0;
        if coder.bit(&mut self.has_filler, told_filler != 0) {
            filler = u8::try_from(coder.bits(7, told_filler.into())).unwrap_or_default();
        }
        // The bytes are entered piece by piece, as far as they are there.
        let mut left = usize::from(length);
        while left > 0 {
            self.provide(source)?;
            let step = left.min(AHEAD);
            self.tokens.store(step).ok_or_else(|| wrong("corrections of other bytes"))?;
            left -= step;
        }
        Ok(BlockKind::Stored { filler, length })
    }
}
