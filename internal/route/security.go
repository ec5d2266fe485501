package route

import "github.com/claude-force/claude-force/internal/route/learned"

// IsSecurity reports whether a text, or an agent's name, is about security:
// weaknesses and attacks, who may do what, secrets, cryptography. It leans to
// yes: a wrong yes costs a dearer line, a wrong no a hole.
func IsSecurity(text string) bool {
	found := false
	var previous []byte
	learned.Words(text, func(w *learned.Word) {
		if found {
			return
		}
		found = isSecurityWord(string(w.Lower)) || isSecurityPair(string(previous), string(w.Lower))
		previous = append(previous[:0], w.Lower...)
	})
	return found
}

func isSecurityWord(word string) bool {
	switch word {
	case "secret", "secrets", "password", "passwords", "passwd", "credential", "credentials", "oauth", "oauth2", "oidc", "saml",
		"jwt", "jwts", "mfa", "totp", "csrf", "xss", "ssrf", "xxe", "rce", "cve", "owasp", "tls", "mtls", "ssl", "hmac", "aes", "rsa",
		"sha256", "bcrypt", "argon2", "pentest", "pentesting", "auth", "authn", "authz", "rbac", "acl", "acls", "sso", "ldap", "kerberos",
		"malware", "phishing", "ransomware", "firewall", "sandboxing", "escalation", "hacker", "hackers", "hacked", "spoofing", "csp", "cors":
		return true
	}
	for _, stem := range [...]string{"secur", "vulnerab", "authentic", "authoriz", "authoris", "crypto", "encrypt", "decrypt", "exploit", "sanitiz", "sanitis", "injection", "deserializ", "deserialis"} {
		if len(word) >= len(stem) && word[:len(stem)] == stem {
			return true
		}
	}
	return false
}

func isSecurityPair(previous, word string) bool {
	switch word {
	case "token", "tokens":
		return previous == "access" || previous == "bearer" || previous == "refresh" || previous == "api" || previous == "session"
	case "key", "keys":
		return previous == "api" || previous == "private" || previous == "signing" || previous == "secret" || previous == "ssh"
	case "model", "models", "modelling", "modeling", "actor", "actors":
		return previous == "threat"
	case "traversal":
		return previous == "path" || previous == "directory"
	case "certificate", "certificates":
		return previous != "" && previous != "gift" && previous != "birth"
	}
	return false
}
