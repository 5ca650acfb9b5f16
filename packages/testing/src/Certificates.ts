/** A certificate for itself, as an authority too, and its key: for tests of TLS, and worth nothing anywhere else. */
export interface TestCertificate {
  readonly cert: string
  readonly key: string
}

/** For `localhost` and 127.0.0.1, good for a hundred years. */
export const localhostCertificate: TestCertificate = {
  cert: `-----BEGIN CERTIFICATE-----
MIIBnDCCAUGgAwIBAgIUeZTNegz1Wpd5FyY0JA7obo5gn8swCgYIKoZIzj0EAwIw
FDESMBAGA1UEAwwJbG9jYWxob3N0MCAXDTI2MTEyMjE0NDU0NFoYDzIxMjYxMDI5
MTQ0NTQ0WjAUMRIwEAYDVQQDDAlsb2NhbGhvc3QwWTATBgcqhkjOPQIBBggqhkjO
PQMBBwNCAAS+SQJyW/iaXsAtYAsmqJpHvlaTMY7bse9/q2qHqlKtrNxFZy8R00Z7
23AzbKK21XlWmXpB9EscELAHn9jVQh+lo28wbTAdBgNVHQ4EFgQUOU6l5zBNcvNn
wAWfPzDKCIv6hvgwHwYDVR0jBBgwFoAUOU6l5zBNcvNnwAWfPzDKCIv6hvgwGgYD
VR0RBBMwEYIJbG9jYWxob3N0hwR/AAABMA8GA1UdEwEB/wQFMAMBAf8wCgYIKoZI
zj0EAwIDSQAwRgIhAM4xbFyC0LUfQQcJhsveVrPxArZ6KKqbsIViaFl9CWr8AiEA
lpQQsGBPVkACOGe8WnRYvwDKz9m0vRhmwiUZn/QL2ao=
-----END CERTIFICATE-----
`,
  key: `-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgxxks9QjHDrrfXL5T
M1blXgZQiD+LU5Yz2zmls4OkUn2hRANCAAS+SQJyW/iaXsAtYAsmqJpHvlaTMY7b
se9/q2qHqlKtrNxFZy8R00Z723AzbKK21XlWmXpB9EscELAHn9jVQh+l
-----END PRIVATE KEY-----
`
}

/** For another host. */
export const elsewhereCertificate: TestCertificate = {
  cert: `-----BEGIN CERTIFICATE-----
MIIBnjCCAUOgAwIBAgIUH+Ak4yt4DpwxJCC91VGKFDv2sq8wCgYIKoZIzj0EAwIw
FDESMBAGA1UEAwwJZWxzZXdoZXJlMCAXDTI2MTEyMjE0NDU0NFoYDzIxMjYxMDI5
MTQ0NTQ0WjAUMRIwEAYDVQQDDAllbHNld2hlcmUwWTATBgcqhkjOPQIBBggqhkjO
PQMBBwNCAATPxiXNUjlZ7ALGupJorZ5Pr+CTudZOOy+xlWnRGZ7K/+QEppCClXMF
jSLCmIgPjmsMCYu2ijMctTZ+OocmGitFo3EwbzAdBgNVHQ4EFgQUmegTNS/gz4dL
DnGRu5iXw9ujhI4wHwYDVR0jBBgwFoAUmegTNS/gz4dLDnGRu5iXw9ujhI4wHAYD
VR0RBBUwE4IRZWxzZXdoZXJlLmV4YW1wbGUwDwYDVR0TAQH/BAUwAwEB/zAKBggq
hkjOPQQDAgNJADBGAiEAiaN15DfMGzKYEmkTWLebCGJCFwny8jev5SoMg/6SkCwC
IQCMKUxXcJgIx3LBSniMW1I1An6ejBmeiaxM/Izmiv53XQ==
-----END CERTIFICATE-----
`,
  key: `-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQglclIzg7b7qK1mZlC
6mLNWu6mEDZKRoITPabmB7HXihehRANCAATPxiXNUjlZ7ALGupJorZ5Pr+CTudZO
Oy+xlWnRGZ7K/+QEppCClXMFjSLCmIgPjmsMCYu2ijMctTZ+OocmGitF
-----END PRIVATE KEY-----
`
}
