//! The JSON schema of the manifest, generated from its types.
