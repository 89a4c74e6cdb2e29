//! Words of the neighbours, and what they are called here.
