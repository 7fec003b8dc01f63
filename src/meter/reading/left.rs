//! What is read of an answer whose client has left.

use super::{Form, Reading};

impl Reading {
    /// Whether the model has stopped, and the usage that was asked for is still to come.
    pub const fn awaits_usage(&self) -> bool {
        self.is_under_way() && self.seen.has_finished && !self.seen.is_final
    }

    /// Whether only the usage says what the call took: its prompt is kept elsewhere, or images and sound were shown.
    pub fn needs_usage(&self) -> bool {
        let is_to_come = matches!(self.form, Form::Opening(_)) && self.bound.is_stream && !self.is_over;
        let has_no_input = self.bound.kept.is_elsewhere && !self.seen.stated.input.is_plain();
        let has_no_output = !self.seen.shown.is_none() && !self.seen.is_final;
        (self.is_under_way() || is_to_come) && (has_no_input || has_no_output)
    }

    /// The client has gone, and the answer is read on.
    pub const fn leave(&mut self) {
        self.has_left = true;
    }

    const fn is_under_way(&self) -> bool {
        matches!(self.form, Form::Events(_) | Form::Frames(..)) && !self.is_over
    }
}
