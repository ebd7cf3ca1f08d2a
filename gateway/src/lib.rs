//! The one public door: authentication, authorisation, limits, routing.
