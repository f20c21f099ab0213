"""Makes password hashes with the libraries that other systems use, at low cost.

Reads a JSON list of passwords and writes a JSON list of [format, password, hash]: each password in
each format. The formats are named as package password names them; where it has one name for several
spellings, the part in brackets tells them apart.
"""
import base64, hashlib, json, sys

import argon2, bcrypt, passlib.hash as passlib, werkzeug.security as werkzeug
from django.conf import settings

settings.configure()
passlib.argon2.set_backend()  # before using(), which passlib gets wrong otherwise
import django.contrib.auth.hashers as django


def b64(raw):
    return base64.b64encode(raw).decode()


def phc(raw):
    return b64(raw).rstrip("=")


def werkzeug_scrypt(password):
    """What Werkzeug has from 2.3 on; older ones get the same from the standard library."""
    try:
        return werkzeug.generate_password_hash(password, "scrypt:1024:8:1")
    except (ValueError, TypeError):
        salt = werkzeug.gen_salt(16)
        raw = hashlib.scrypt(password.encode(), salt=salt.encode(), n=1024, r=8, p=1)
        return "scrypt:1024:8:1$%s$%s" % (salt, raw.hex())


def django_scrypt(password):
    """What Django has from 4.0 on, written as its ScryptPasswordHasher.encode does."""
    salt = django.get_random_string(22)
    raw = hashlib.scrypt(password.encode(), salt=salt.encode(), n=1024, r=8, p=1, dklen=64)
    return "scrypt$1024$%s$8$1$%s" % (salt, b64(raw))


def django_argon2(password):
    hasher = django.Argon2PasswordHasher()
    hasher.time_cost, hasher.memory_cost = 1, 64
    return hasher.encode(password, django.get_random_string(22))


def django_bcrypt(hasher):
    hasher.rounds = 4
    return lambda password: hasher.encode(password, hasher.salt())


def phc_pbkdf2(password):
    """The PHC spelling, which the Rust crates write."""
    salt = b"sixteen bytes ok"
    raw = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, 100)
    return "$pbkdf2-sha256$i=100,l=32$%s$%s" % (phc(salt), phc(raw))


def argon2_cffi(kind):
    return argon2.PasswordHasher(time_cost=1, memory_cost=64, parallelism=4, type=kind).hash


def bcrypt_with(prefix):
    def make(password):
        made = bcrypt.hashpw(password.encode(), bcrypt.gensalt(4, b"2a" if prefix == b"2a" else b"2b"))
        return made.replace(b"$2b$", b"$" + prefix + b"$").decode()  # 2y is PHP's name for 2b
    return make


FORMATS = {
    "argon2id": argon2_cffi(argon2.Type.ID),
    "argon2id (passlib)": passlib.argon2.using(type="ID", rounds=2, memory_cost=64, parallelism=8).hash,
    "argon2i": argon2_cffi(argon2.Type.I),
    "argon2i (two passes)": passlib.argon2.using(type="I", rounds=2, memory_cost=96, parallelism=1).hash,
    "bcrypt ($2a$)": bcrypt_with(b"2a"),
    "bcrypt ($2b$)": bcrypt_with(b"2b"),
    "bcrypt ($2y$)": bcrypt_with(b"2y"),
    "passlib bcrypt-sha256": passlib.bcrypt_sha256.using(rounds=4).hash,
    "passlib bcrypt-sha256 (version 1)": passlib.bcrypt_sha256.using(rounds=4, version=1).hash,
    "scrypt": passlib.scrypt.using(rounds=10).hash,
    "scrypt (p=2)": passlib.scrypt.using(rounds=6, block_size=4, parallelism=2).hash,
    "pbkdf2-sha1": passlib.pbkdf2_sha1.using(rounds=100).hash,
    "pbkdf2-sha256": passlib.pbkdf2_sha256.using(rounds=100).hash,
    "pbkdf2-sha256 (PHC)": phc_pbkdf2,
    "pbkdf2-sha512": passlib.pbkdf2_sha512.using(rounds=100).hash,
    "werkzeug pbkdf2": lambda p: werkzeug.generate_password_hash(p, "pbkdf2:sha256:100"),
    "werkzeug pbkdf2 (sha1)": lambda p: werkzeug.generate_password_hash(p, "pbkdf2:sha1:100", 8),
    "werkzeug pbkdf2 (sha512)": lambda p: werkzeug.generate_password_hash(p, "pbkdf2:sha512:100"),
    "werkzeug scrypt": werkzeug_scrypt,
    "django pbkdf2_sha256": lambda p: django.PBKDF2PasswordHasher().encode(p, django.get_random_string(22), 100),
    "django pbkdf2_sha1": lambda p: django.PBKDF2SHA1PasswordHasher().encode(p, django.get_random_string(12), 100),
    "django argon2": django_argon2,
    "django bcrypt": django_bcrypt(django.BCryptPasswordHasher()),
    "django bcrypt_sha256": django_bcrypt(django.BCryptSHA256PasswordHasher()),
    "django scrypt": django_scrypt,
}

json.dump(
    [[name, password, make(password)] for password in json.load(sys.stdin) for name, make in FORMATS.items()],
    sys.stdout,
)
