//! Encrypted connections: a server's certificate is looked at as far as `sslmode` wants it, and sentences say what is
//! wrong with it.

use std::{io, sync::Arc};

use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, OtherError, RootCertStore, SignatureScheme,
    client::{
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
        verify_server_cert_signed_by_trust_anchor, verify_server_name,
    },
    crypto::{
        CryptoProvider, WebPkiSupportedAlgorithms, aws_lc_rs, verify_tls12_signature, verify_tls13_signature,
    },
    pki_types::{CertificateDer, ServerName, UnixTime, pem::PemObject as _},
    server::ParsedCertificate,
};
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::encryption::{Mode, Roots};

/// Looks at the certificates of servers.
#[derive(Debug)]
struct Verifier {
    /// The authorities that are trusted; where there are none all certificates are.
    trusted: Option<Trusted>,
    is_name_checked: bool,
    algorithms: WebPkiSupportedAlgorithms,
}

#[derive(Debug)]
struct Trusted {
    roots: RootCertStore,
    /// Those that a file names, any of which may be that of the server itself.
    named: Vec<CertificateDer<'static>>,
}

/// The way to encrypt a connection; `None` where it is not to be.
pub(super) fn connector((mode, roots): (Mode, Option<Roots>)) -> Result<Option<MakeRustlsConnect>, String> {
    if mode == Mode::Disable {
        return Ok(None);
    }
    let provider = aws_lc_rs::default_provider();
    let verifier = Verifier {
        trusted: roots.map(|roots| trusted(&roots)).transpose()?,
        is_name_checked: mode == Mode::VerifyFull,
        algorithms: provider.signature_verification_algorithms,
    };
    Ok(Some(MakeRustlsConnect::new(config(provider, verifier).map_err(|error| error.to_string())?)))
}

fn config(provider: CryptoProvider, verifier: Verifier) -> Result<ClientConfig, Error> {
    let config =
        ClientConfig::builder_with_provider(Arc::new(provider)).with_safe_default_protocol_versions()?;
    Ok(config.dangerous().with_custom_certificate_verifier(Arc::new(verifier)).with_no_client_auth())
}

fn trusted(from: &Roots) -> Result<Trusted, String> {
    let mut roots = RootCertStore::empty();
    let named = match from {
        Roots::System => {
            let found = rustls_native_certs::load_native_certs();
            roots.add_parsable_certificates(found.certs);
            if roots.is_empty() {
                return Err(
                    "this system has no certificates of authorities; sslrootcert=FILE names one".into()
                );
            }
            Vec::new()
        }
        Roots::File { file, named_by } => {
            let unread = |problem: &dyn std::fmt::Display| {
                format!("the certificates of `{}` ({named_by}) can't be read: {problem}", file.display())
            };
            let text = std::fs::read(file).map_err(|error| unread(&error))?;
            let named = CertificateDer::pem_slice_iter(&text).collect::<Result<Vec<_>, _>>();
            let named = named.map_err(|error| unread(&error))?;
            if named.is_empty() {
                return Err(unread(&"it holds none in the form that begins with BEGIN CERTIFICATE"));
            }
            for root in &named {
                roots.add(root.clone()).map_err(|error| unread(&error))?;
            }
            named
        }
    };
    Ok(Trusted { roots, named })
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        between: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        _ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let Some(Trusted { roots, named }) = &self.trusted else {
            return Ok(ServerCertVerified::assertion());
        };
        let parsed = ParsedCertificate::try_from(certificate)?;
        let chain =
            verify_server_cert_signed_by_trust_anchor(&parsed, roots, between, now, self.algorithms.all);
        match chain {
            // One that `openssl req -x509` made is its own authority, and named as itself. Its time was looked at
            // before that.
            Err(error) if is_authority(&error) && named.contains(certificate) => {}
            chain => chain?,
        }
        if self.is_name_checked {
            verify_server_name(&parsed, name)?;
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signed, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signed, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

fn is_authority(error: &Error) -> bool {
    let Error::InvalidCertificate(CertificateError::Other(OtherError(inner))) = error else { return false };
    inner.downcast_ref() == Some(&webpki::Error::CaUsedAsEndEntity)
}

/// Why a connection could not be encrypted, and the next step; `None` where that was not why it failed.
pub(super) fn problem(error: &postgres::Error) -> Option<String> {
    let mut cause = std::error::Error::source(error);
    while let Some(found) = cause {
        let inner = found.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        if let Some(error) = inner.and_then(|inner| inner.downcast_ref::<Error>()) {
            return Some(words(error));
        }
        if found.to_string() == "server does not support TLS" {
            return Some(
                "the server offers no encryption, and sslmode wants it: set `ssl = on` there, or \
                 sslmode=prefer to go without where there is none"
                    .into(),
            );
        }
        cause = found.source();
    }
    None
}

fn words(error: &Error) -> String {
    let Error::InvalidCertificate(wrong) = error else {
        return format!("the connection can't be encrypted: {error}");
    };
    match wrong {
        CertificateError::UnknownIssuer => {
            "the server's certificate is signed by nobody who is trusted here; \
             sslrootcert=FILE names the certificate of its authority, or its own"
                .into()
        }
        CertificateError::NotValidForNameContext { expected, presented } => {
            // They come as `DnsName("db.example")`.
            let name = |text: &String| text.split('"').nth(1).unwrap_or(text).to_owned();
            let names: Vec<String> = presented.iter().map(name).collect();
            let names = if names.is_empty() { "no name".into() } else { names.join(", ") };
            format!(
                "the server's certificate is for {names}, and not for `{}`; write its name into the address, or \
                 sslmode=verify-ca to look at no name",
                expected.to_str()
            )
        }
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            "the server's certificate has expired, by the clock of this machine; a new one is needed there"
                .into()
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "the server's certificate is not valid yet, by the clock of this machine".into()
        }
        _ if is_authority(error) => {
            "the server's certificate is that of an authority; sslrootcert=FILE may name \
             it, where the server has it to itself"
                .into()
        }
        _ => format!("the server's certificate can't be used: {wrong}"),
    }
}
