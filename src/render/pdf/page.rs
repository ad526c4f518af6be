//! The content of a page, packed piece by piece while it is drawn.

use std::ops::{Deref, DerefMut};

use pdf_writer::{Content, Settings};

use super::deflate::Deflater;

/// Pieces are packed when they have this many bytes.
const PIECE: usize = 64 << 10;

/// The operators of a page. Those of the current piece are in `piece`, those before it are packed.
pub struct PageContent {
    piece: Content,
    packed: Deflater,
    /// Whether there are pieces before the current one.
    started: bool,
}

impl PageContent {
    pub fn new() -> PageContent {
        PageContent { piece: empty(), packed: Deflater::new(), started: false }
    }

    /// Pack the current piece if it is large enough. Must not be called between the parts of an operator.
    pub fn pack_if_large(&mut self) {
        if self.piece.len() >= PIECE {
            self.pack();
        }
    }

    /// The whole page, packed.
    pub fn finish(mut self) -> Vec<u8> {
        self.pack();
        self.packed.finish()
    }

    fn pack(&mut self) {
        let piece = std::mem::replace(&mut self.piece, empty()).finish();
        // An operator without operands does not separate itself from a piece that it does not see.
        if self.started && piece.first().is_some_and(u8::is_ascii_alphabetic) {
            self.packed.write(b"\n");
        }
        self.packed.write(&piece);
        self.started |= !piece.is_empty();
    }
}

impl Deref for PageContent {
    type Target = Content;

    fn deref(&self) -> &Content {
        &self.piece
    }
}

impl DerefMut for PageContent {
    fn deref_mut(&mut self) -> &mut Content {
        &mut self.piece
    }
}

fn empty() -> Content {
    Content::with_settings(Settings { pretty: false })
}

#[cfg(test)]
mod tests {
    use pdf_writer::Name;

    use super::super::deflate::deflate;
    use super::*;

    /// Operators that begin with a number, a name, an array and a letter.
    const DRAW: [fn(&mut Content) -> &mut Content; 5] = [
        |content| content.move_to(1.5, 2.0).line_to(3.0, 4.25).stroke(),
        |content| content.set_parameters(Name(b"f127")).fill_nonzero(),
        |content| content.set_dash_pattern([1.0, 2.0], 0.0).stroke(),
        |content| content.save_state(),
        |content| content.restore_state(),
    ];

    #[test]
    fn a_page_in_pieces_is_the_page_in_one_piece() {
        let (mut whole, mut page) = (empty(), PageContent::new());
        for first in DRAW {
            for second in DRAW {
                for operator in [first, second] {
                    operator(&mut whole);
                    operator(&mut page);
                    page.pack();
                }
            }
        }
        page.pack();
        assert!(page.finish() == deflate(&whole.finish()));
    }

    #[test]
    fn a_large_page_is_packed_while_it_is_drawn() {
        let mut page = PageContent::new();
        let mut most = 0;
        for i in 0..100_000 {
            page.move_to(i as f32, 2.5).line_to(3.0, 4.25).stroke();
            page.pack_if_large();
            most = most.max(page.piece.len());
        }
        assert!(most < 2 * PIECE, "{most} bytes are held");
    }
}
