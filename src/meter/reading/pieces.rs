//! An answer piece by piece: decoded where it is coded, in turns, and looked into.

use bytes::Bytes;

use super::{
    super::coding::{Coded, Decoder},
    Delivery, Form, Reading,
};

impl Reading {
    /// Whether the client gets without its coding what came coded: else it could not be changed.
    pub const fn decodes(&self) -> bool {
        !matches!(self.delivery, Delivery::Unchanged)
    }

    /// Whether the client cannot get the rest, because that cannot be decoded.
    pub const fn is_broken(&self) -> bool {
        matches!(self.delivery, Delivery::Broken)
    }

    /// Whether there is more to look into of what has come: a further turn takes it, with no piece.
    pub fn has_more(&self) -> bool {
        matches!(&self.coded, Some(Coded::Known(decoder)) if decoder.has_more())
    }

    /// Looks into the next piece, and gives what of it the client gets now.
    pub fn pass(&mut self, piece: Bytes) -> Bytes {
        let Some(coded) = self.coded.take() else { return self.pass_plain(piece) };
        let (mut decoder, piece) = match coded {
            Coded::Known(decoder) => (decoder, piece),
            Coded::Opening(codings, first) => match Coded::open(codings.clone(), first, &piece) {
                Ok((Some(decoder), first)) => (Box::new(decoder), first.into()),
                Ok((None, first)) => {
                    if codings.hide(&first) {
                        self.form = Form::Opaque;
                    }
                    return self.pass_plain(first.into());
                }
                Err(more) => {
                    self.coded = Some(more);
                    return Bytes::new();
                }
            },
        };
        decoder.add(piece.clone());
        let plain = self.decode(decoder);
        if self.decodes() { plain } else { piece }
    }

    fn pass_plain(&mut self, piece: Bytes) -> Bytes {
        let alters = self.alters();
        let passed = self.look(&piece);
        if alters { passed } else { piece }
    }

    /// Looks into the next part of what was coded. What can be decoded no more counts by its bytes from here on.
    fn decode(&mut self, mut decoder: Box<Decoder>) -> Bytes {
        let Ok(plain) = decoder.turn() else {
            let passed = self.finish();
            self.form = Form::Opaque;
            self.break_off();
            drop(self.look(&decoder.rest()));
            return passed;
        };
        self.coded = Some(Coded::Known(decoder));
        self.look(&plain)
    }

    /// What was to be decoded cannot be.
    const fn break_off(&mut self) {
        if self.decodes() {
            self.delivery = Delivery::Broken;
        }
    }

    /// Nothing more will come, though the answer is not at its end.
    pub const fn cut(&mut self) {
        self.is_over = true;
    }

    /// What the client gets at the end of the answer, besides what it got before.
    pub fn rest(&mut self) -> Bytes {
        let kept = match self.coded.take() {
            // Shorter than any coding.
            Some(Coded::Opening(_, first)) => self.pass(first.into()),
            coded => {
                if matches!(&coded, Some(Coded::Known(decoder)) if !decoder.is_whole()) {
                    self.break_off();
                }
                self.coded = coded;
                Bytes::new()
            }
        };
        let alters = self.alters();
        self.is_over = true;
        let rest = self.finish();
        if alters { [kept, rest].concat().into() } else { kept }
    }
}
