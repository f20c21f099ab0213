"""The API of the cases "flask-jwt-extended", on the original library, to check that the cases are
right.

    python3 original.py SECRET_FILE USERNAME PASSWORD

prints the port that it listens on. It needs Flask and Flask-JWT-Extended 4.7.1 with PyJWT 2.10 or later.
"""
import sys

from flask import Flask, jsonify, request
from flask_jwt_extended import (
    JWTManager, create_access_token, create_refresh_token, get_jwt, get_jwt_identity, jwt_required,
    set_access_cookies, set_refresh_cookies, unset_jwt_cookies,
)
from werkzeug.serving import make_server

secret_file, username, password = sys.argv[1:]
app = Flask(__name__)
with open(secret_file) as f:
    app.config["JWT_SECRET_KEY"] = f.read().strip()
app.config["JWT_COOKIE_SECURE"] = True
app.config["JWT_COOKIE_SAMESITE"] = "Lax"
app.config["JWT_CSRF_CHECK_FORM"] = True
jwt = JWTManager(app)
revoked = set()


@jwt.token_in_blocklist_loader
def is_revoked(header, claims):
    return claims["jti"] in revoked


@jwt.token_verification_loader
def verify(header, claims):
    return not claims.get("banned")


@jwt.user_lookup_loader
def look_up(header, claims):
    return None if claims["sub"].startswith("gone") else {"name": claims["sub"]}


def may_log_in():
    body = request.get_json()
    return (body.get("username"), body.get("password")) == (username, password)


def refusal():
    return jsonify(msg="Bad username or password"), 401


def who():
    return jsonify(logged_in_as=get_jwt_identity())


@app.post("/login")
def login():
    if not may_log_in():
        return refusal()
    return jsonify(access_token=create_access_token(username, fresh=True), refresh_token=create_refresh_token(username))


@app.post("/refresh")
@jwt_required(refresh=True)
def refresh():
    return jsonify(access_token=create_access_token(get_jwt_identity()))


@app.delete("/logout")
@jwt_required(verify_type=False)
def logout():
    revoked.add(get_jwt()["jti"])
    return jsonify(msg="Logged out")


@app.post("/cookies/login")
def cookie_login():
    if not may_log_in():
        return refusal()
    response = jsonify(login=True)
    set_access_cookies(response, create_access_token(username, fresh=True))
    set_refresh_cookies(response, create_refresh_token(username))
    return response


@app.post("/cookies/refresh")
@jwt_required(refresh=True, locations=["cookies"])
def cookie_refresh():
    response = jsonify(refresh=True)
    set_access_cookies(response, create_access_token(get_jwt_identity()))
    return response


@app.post("/cookies/logout")
def cookie_logout():
    response = jsonify(logout=True)
    unset_jwt_cookies(response)
    return response


def guarded(path, **guard):
    app.add_url_rule(path, path, jwt_required(**guard)(who), methods=["GET", "POST"])


guarded("/protected")
guarded("/fresh", fresh=True)
guarded("/optional", optional=True)
guarded("/cookies/protected", locations=["cookies"])
guarded("/query", locations=["query_string"])
guarded("/json", locations=["json"])
guarded("/json/refresh", locations=["json"], refresh=True)
guarded("/anywhere", locations=["headers", "cookies", "query_string", "json"])
guarded("/anywhere/optional", locations=["headers", "cookies", "query_string", "json"], optional=True)

server = make_server("127.0.0.1", 0, app, threaded=True)
print(server.server_port, flush=True)
server.serve_forever()
