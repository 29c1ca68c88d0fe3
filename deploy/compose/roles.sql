-- Run once by the postgres image, as its superuser, when the volume is empty. Three roles: the owner migrates, the
-- login is what api and worker use, and wharfinger_app carries the grants that the migrations give.
\getenv owner_password WHARFINGER_OWNER_PASSWORD
\getenv login_password WHARFINGER_LOGIN_PASSWORD

CREATE ROLE wharfinger_app NOLOGIN;
CREATE ROLE wharfinger_owner LOGIN PASSWORD :'owner_password';
CREATE ROLE wharfinger_login LOGIN PASSWORD :'login_password' IN ROLE wharfinger_app;
CREATE DATABASE wharfinger OWNER wharfinger_owner;
REVOKE ALL ON DATABASE wharfinger FROM PUBLIC;
GRANT CONNECT ON DATABASE wharfinger TO wharfinger_login;
