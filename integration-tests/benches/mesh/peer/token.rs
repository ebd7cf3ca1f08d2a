//! A token for the peer, and the key that checks it.

/// A JSON Web Token, RS256 under the key of [`MODULUS`]: issuer `bench`, audience `millrace`, good until the year 2100. The
/// private key was thrown away, and nothing but the bench believes the public one.
pub const TOKEN: &str = concat!(
    "eyJhbGciOiJSUzI1NiIsInR5cCI6IkpXVCIsImtpZCI6ImJlbmNoIn0.eyJpc3MiOiJiZW5jaCIsInN1YiI6ImFkbWluIiwiYXVk",
    "IjoibWlsbHJhY2UiLCJleHAiOjQxMDI0NDQ4MDB9.NhKSUR-q8Nhs1hBGSPP3_JWZ1PxVLferMddUvyCGm_FECJh-",
    "w2bYd2418iXUfK8IdWfXQfOV4zKLV73W5N6rOnXHoRfHgFqi6yI0KX-",
    "stBKJyCsjwnOX0ErkzxwOChWHaT4eUxnTT9rt7lJDOxno1cgSCOALtnAwC-n3xrLyhAD27zIdm02X30mwjTAym_0ozm-",
    "tinQpbUBN8MpBlsBc9B8Hh9wN0rTquaaulpN-tJv997rT-wPE4hb2Ps7tXHJJOdo0dhwzy3StJboIwt6Jvsd0ULw3Kz91DvfYcug",
    "70kzMUPs2Egys43KLNHUpX0dS8eh5Ba9GcZIqo35sQSj3VA",
);

/// The modulus of the key, 2048 bits, as a JSON Web Key has it; the exponent is 65537.
pub const MODULUS: &str = concat!(
    "yoBQem8BJgxVf8LoJ2CKOE2LS3Aa8RZnSEqWXpjJilWzjjOe_9rHRDWyb_nNRdYYIrEi1EAOqslxCdrDaA2ns6q8lbL499C_FzJN",
    "fGcmXQvRnPTE_PUlNA9AH5PQTwZE-3-",
    "zofsmfAoU_NEBSjqCm4w9Nf4kzAMg6bcG2QyZPXhzIR9qMPbSKCuTRYGJcpqhQdPKhDhKSmg65KNW7SJaDRcUfbVD-",
    "j5mnlVLr6PWmvNNrQuh7lBWOkf3s02Ekrj_DtnF7raMlrEkfRigdm6DfsXz9MohyCCq3nwxf7NoYTdkr4m5IErT1-",
    "cUd6LmPo3q6nwJ-jo94Ruo3YtCg6TBnQ",
);
