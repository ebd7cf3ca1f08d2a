-- Whether bytes that are kept have a profile, so that a sweep leaves them alone.
CREATE INDEX profiles_by_digest ON profiles (tenant, digest);
