//! Where memory comes from while a run starts.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::UnsafeCell;
use std::mem::MaybeUninit;
use std::ptr;
use std::sync::atomic::{AtomicUsize, Ordering};

const SIZE: usize = 256 * 1024;

/// Larger pieces are buffers of runs that last.
const LARGEST: usize = 16 * 1024;

/// Small pieces are laid out one after the other, and only the last one can be given back. Large
/// ones are the C library's, and so is whatever finds no room.
///
/// A start asks some eight hundred times for 125 KB in all, and is over before it would be short
/// of them: finding free pieces and joining them again was a third of its instructions.
pub struct Arena {
    bytes: UnsafeCell<[MaybeUninit<u8>; SIZE]>,
    /// How many of them are taken.
    taken: AtomicUsize,
}

// SAFETY: bytes are handed out by one atomic exchange each, to one owner at a time.
unsafe impl Sync for Arena {}

impl Arena {
    /// With nothing taken.
    #[must_use]
    pub const fn new() -> Self {
        Self { bytes: UnsafeCell::new([MaybeUninit::uninit(); SIZE]), taken: AtomicUsize::new(0) }
    }

    fn base(&self) -> *mut u8 {
        self.bytes.get().cast()
    }

    /// Where in the arena a piece begins that came from here.
    fn offset(&self, piece: *mut u8) -> Option<usize> {
        piece.addr().checked_sub(self.base().addr()).filter(|offset| *offset < SIZE)
    }

    /// Moves the end of what is taken, unless somebody else has moved it.
    fn take(&self, from: usize, to: usize) -> bool {
        let (taken, failed) = (Ordering::AcqRel, Ordering::Relaxed);
        to <= SIZE && self.taken.compare_exchange(from, to, taken, failed).is_ok()
    }
}

impl Default for Arena {
    fn default() -> Self {
        Self::new()
    }
}

// SAFETY: every piece lies in the arena, aligned, beyond all others that are taken, or is the C
// library's.
unsafe impl GlobalAlloc for Arena {
    #[inline(never)]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let taken = self.taken.load(Ordering::Relaxed);
        let base = self.base().addr();
        // Not `next_multiple_of`, which divides: an alignment is a power of two.
        let rest = layout.align() - 1;
        let start = ((base + taken + rest) & !rest) - base;
        let end = start.saturating_add(layout.size());
        if layout.size() <= LARGEST && self.take(taken, end) {
            // SAFETY: `start` is within the arena.
            unsafe { self.base().add(start) }
        } else {
            // SAFETY: as the caller promised.
            unsafe { System.alloc(layout) }
        }
    }

    #[inline(never)]
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        if layout.size() > LARGEST {
            // SAFETY: as the caller promised.
            return unsafe { System.alloc_zeroed(layout) };
        }
        // SAFETY: as the caller promised.
        let piece = unsafe { self.alloc(layout) };
        if !piece.is_null() {
            // What was given back may have been written to.
            // SAFETY: it is this long.
            unsafe { piece.write_bytes(0, layout.size()) };
        }
        piece
    }

    #[inline(never)]
    unsafe fn dealloc(&self, piece: *mut u8, layout: Layout) {
        match self.offset(piece) {
            Some(start) => _ = self.take(start + layout.size(), start),
            // SAFETY: it is the C library's.
            None => unsafe { System.dealloc(piece, layout) },
        }
    }

    #[inline(never)]
    unsafe fn realloc(&self, piece: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        let Some(start) = self.offset(piece) else {
            // SAFETY: it is the C library's.
            return unsafe { System.realloc(piece, layout, size) };
        };
        if self.take(start + layout.size(), start.saturating_add(size)) || size <= layout.size() {
            return piece;
        }
        // SAFETY: the caller promised that the size is a good one for this alignment.
        let layout_then = unsafe { Layout::from_size_align_unchecked(size, layout.align()) };
        // SAFETY: it is more than the old size, so not 0.
        let new = unsafe { self.alloc(layout_then) };
        if !new.is_null() {
            // SAFETY: both are that long, and none lies in the other.
            unsafe { ptr::copy_nonoverlapping(piece, new, layout.size()) };
            self.take(start + layout.size(), start);
        }
        new
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A piece, and the byte that it is full of.
    type Piece = (*mut u8, Layout, u8);

    fn is_whole(&(piece, layout, byte): &Piece) -> bool {
        // SAFETY: it is this long, and was written to.
        let bytes = unsafe { std::slice::from_raw_parts(piece, layout.size()) };
        piece.addr().is_multiple_of(layout.align()) && bytes.iter().all(|is| *is == byte)
    }

    /// Numbers that look random, the same on each run.
    fn numbers() -> impl FnMut(usize) -> usize {
        let mut state = 6_usize;
        move |below| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (state >> 33) % below
        }
    }

    #[test]
    fn pieces_keep_what_is_in_them() {
        let arena = Box::new(Arena::new());
        let mut number = numbers();
        let mut pieces: Vec<Piece> = Vec::new();
        for turn in 0..400 {
            let byte = u8::try_from(turn % 251).unwrap();
            let size = 1 + number(if turn % 9 == 0 { 20_000 } else { 200 });
            let piece = match number(4) {
                0 if !pieces.is_empty() => {
                    let (piece, layout, _) = pieces.swap_remove(number(pieces.len()));
                    // SAFETY: it is the arena's, with this layout.
                    unsafe { arena.dealloc(piece, layout) };
                    continue;
                }
                1 if !pieces.is_empty() => {
                    let (piece, layout, byte) = pieces.swap_remove(number(pieces.len()));
                    // SAFETY: it is the arena's, with this layout.
                    let piece = unsafe { arena.realloc(piece, layout, size) };
                    let kept = Layout::from_size_align(size.min(layout.size()), layout.align());
                    assert!(is_whole(&(piece, kept.unwrap(), byte)));
                    (piece, Layout::from_size_align(size, layout.align()).unwrap())
                }
                _ => {
                    let layout = Layout::from_size_align(size, 1 << number(8)).unwrap();
                    // SAFETY: the size is not 0.
                    (unsafe { arena.alloc(layout) }, layout)
                }
            };
            let (piece, layout) = piece;
            // SAFETY: it is ours, and this long.
            unsafe { piece.write_bytes(byte, layout.size()) };
            pieces.push((piece, layout, byte));
            assert!(pieces.iter().all(is_whole));
        }
        assert!(
            pieces.iter().any(|(piece, ..)| arena.offset(*piece).is_none()),
            "it never ran out"
        );
        assert!(pieces.iter().any(|(piece, ..)| arena.offset(*piece).is_some()));
        for (piece, layout, _) in pieces {
            // SAFETY: it is the arena's, with this layout.
            unsafe { arena.dealloc(piece, layout) };
        }
    }

    #[test]
    fn the_last_piece_grows_and_goes_where_it_is() {
        let arena = Box::new(Arena::new());
        let layout = Layout::new::<[u8; 100]>();
        // SAFETY: the size is not 0.
        let first = unsafe { arena.alloc(layout) };
        // SAFETY: it is the arena's, with this layout.
        let grown = unsafe { arena.realloc(first, layout, 5000) };
        assert_eq!(grown, first);
        // SAFETY: it is the arena's, with this layout.
        unsafe { arena.dealloc(grown, Layout::new::<[u8; 5000]>()) };
        // SAFETY: the size is not 0.
        let next = unsafe { arena.alloc(layout) };
        assert_eq!(next, first);
        // SAFETY: it is the arena's, with this layout.
        unsafe { arena.dealloc(next, layout) };
    }
}
