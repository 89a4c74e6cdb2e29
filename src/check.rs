//! All that is wrong with one manifest.
