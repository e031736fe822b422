"""What is read from an address, and which addresses, test endpoints and token URLs are refused."""

import pytest

from connections.addresses.parsing import parse_address, parse_endpoint, parse_token_url

pytestmark = pytest.mark.any_database  # no test here reads or writes one

# An address as it is entered, the text that everyone sees, and the user name and password that were in it.
ADDRESSES = [
    ("https://warehouse.example.com", "https://warehouse.example.com", "", ""),
    ("https://me:p%40w@host:8443/a?b=c@d", "https://host:8443/a?b=c@d", "me", "p@w"),
    ("https://host/@scope/package", "https://host/@scope/package", "", ""),
    ("http://host:80/x@y", "http://host:80/x@y", "", ""),
    ("https://[::1]:8443/x@y", "https://[::1]:8443/x@y", "", ""),
    ("ERP01\\SQLEXPRESS", "ERP01\\SQLEXPRESS", "", ""),
    ("db2.example.com:50000/ORDERS", "db2.example.com:50000/ORDERS", "", ""),
    ("me:pw@host/db", "host/db", "me", "pw"),
    ("jdbc:postgresql://me:pw@db/x", "jdbc:postgresql://db/x", "me", "pw"),
    ("db2+ibm_db://sa:Hunter2pw@erp:50000/ORD", "db2+ibm_db://erp:50000/ORD", "sa", "Hunter2pw"),
    (" \thttps://sa:pw@erp/ ", "https://erp/", "sa", "pw"),
    ("https:///sa:pw@erp/", "https:///erp/", "sa", "pw"),
    ("https:/sa:pw@erp/", "https:/erp/", "sa", "pw"),
    ("https:\\\\sa:pw@erp/", "https:\\\\erp/", "sa", "pw"),
    ("//me:pw@host/x", "//host/x", "me", "pw"),
    ("http://me:p/w@host/a", "http://host/a", "me", "p/w"),
    ("http://me:p#w@host/a", "http://host/a", "me", "p#w"),
    ("scott/tiger@host:1521/svc", "host:1521/svc", "scott", "tiger"),
    ("scott/tiger@//host:1521/svc", "//host:1521/svc", "scott", "tiger"),
    ("jdbc:oracle:thin:scott/tiger@//host:1521/svc", "jdbc:oracle:thin:@//host:1521/svc", "scott", "tiger"),
    ("", "", "", ""),
]


@pytest.mark.parametrize(("written", "shown", "username", "password"), ADDRESSES)
def test_user_info_is_split_off(written, shown, username, password):
    address = parse_address(written)
    assert (address.text, address.username, address.password) == (shown, username, password)
    assert not parse_address(address.text).has_user_info


# Addresses that lead a client to different hosts must have different targets.
@pytest.mark.parametrize("lead", ["https://", "https:///", "ht\ttps://", "https:\\\\"])
def test_another_host_is_another_target(lead):
    assert parse_address(f"{lead}evil.example/x").target != parse_address("https:///good.example/x").target


@pytest.mark.parametrize(
    "text",
    ["", "/health", "/health?full=1", "?next=https://x", "/a@b", "/users?user=me", "https://other.example/x"],
)
def test_an_endpoint_is_a_path_or_a_url(text):
    assert (parse_endpoint(text).text, parse_endpoint(text).refusal) == (text, "")


@pytest.mark.parametrize(
    "text",
    [
        *(
            "@evil.example/x",
            ".evil.example/x",
            ":80@evil.example",
            ":8080/x",
            "health",
            "evil.example/x",
            "a/b?c",
        ),
        *(
            "//evil.example",
            "/\t/evil.example/x",
            "ht\ttps:evil.example",
            " https:evil.example",
            "\\\\evil.example",
            "/\\evil",
            "\\evil",
        ),
        *(
            "http:\\\\evil.example",
            "https:/evil.example",
            "https://",
            "https:///",
            "ftp://evil.example",
            "http://https://evil.example",
        ),
        *(
            "https://me:pw@evil.example",
            "https://me@evil.example",
            "/x?api_key=Tr1cky",
            "?access_token=Tr1cky",
            "https://evil.example/?sig=Tr1cky",
        ),
        *("/a\u200bb", "https://erp\u202e.example"),
    ],
)
def test_no_other_endpoint_is_taken(text):
    assert parse_endpoint(text).refusal
    assert "Tr1cky" not in parse_endpoint(text).refusal


# Texts with a password that no grammar takes out.
INVISIBLE = "\u200b\ufe0f\u034f\u115f\u3164\u2800\U000e0101"
SECRET_KEYS = (
    *(
        "Authorization",
        "proxy-authorization",
        "cookie",
        "password[]",
        "passwd[0]",
        "user[pass]",
        "auth[token]",
    ),
    *(
        "authkey",
        "auth_key",
        "user_pass",
        "db_pass",
        "userpass",
        "pass1",
        "smtpPass",
        "pswd",
        "passkey",
        "psk",
    ),
    *("x-functions-key", "app_key", "application_key", "user_key", "license_key", "encryption_key"),
    *("master_key", "security_key", "service_key", "admin_key", "creds", "hmac", "client_assertion"),
    *("jsessionid", "session_id", "X-API-Key"),
)
KEEPS_A_PASSWORD = (
    # Separators of two grammars in one list, so that the password becomes a part of the user name.
    *(f"{lead}host/db?user=me;password=Tr1cky" for lead in ("jdbc:mysql://", "mysql://", "postgresql://")),
    "jdbc:sqlserver://erp01?user=sa;password=Tr1cky",
    "jdbc:sqlserver://erp01;user=sa&password=Tr1cky",
    "jdbc:sqlserver://erp01;user=sa,password=Tr1cky",
    "Server=erp01;UID=sa,PWD=Tr1cky",
    "Server=erp01;UID=sa PWD=Tr1cky",
    "Server=erp01;UID=sa PWD Tr1cky",
    "Server=erp01;UID=sa -P Tr1cky",
    "Server=erp01;User ID=sa&Password=Tr1cky",
    "Server=erp01;UID=sa/Tr1cky",
    "Server=erp01;UID=sa;Tr1cky",
    "https://me%3ATr1cky@host/",
    "ftp://me%2FTr1cky@host/",
    # Commands.
    "sqlplus scott/Tr1cky@tns",
    "CONNECT scott/Tr1cky@ora:1521/svc",
    "jdbc:oracle:thin:CONNECT scott/Tr1cky@//ora:1521/svc",
    "curl -u me:Tr1cky https://host/",
    "sqlcmd -S erp01 -U sa -P Tr1cky",
    "mysql -h erp01 -pTr1cky",
    "psql postgresql://me:Tr1cky@host/db",
    "https:me:Tr1cky@host",
    "mysql:me:Tr1cky@host",
    # An @ that is written in another way, and hosts that are none.
    "foo://me:Tr1cky%40host/",
    "https://me:Tr1cky%40host/",
    "https://me:Tr1cky%2540host/",
    "https://me:Tr1cky\uff20host/",
    "https://me:Tr1cky\ufe6bhost/",
    "me:Tr1cky",
    "tcp://me:Tr1cky/in",
    "Server=me:Tr1cky@erp01;Database=wms",
    "Server=me:Tr1cky%40erp01;Database=wms",
    "jdbc:sqlserver://;serverName=me:Tr1cky%40erp01",
    "(DESCRIPTION=(ADDRESS=(HOST=me:Tr1cky%40ora)(PORT=1521)))",
    # A colon in place of the equals sign.
    "Server:erp01;UID:sa;PWD:Tr1cky",
    "Server=erp01;UID=sa;PWD:Tr1cky",
    "host=erp01 port=1433 Password: Tr1cky",
    'https://host/?{"password":"Tr1cky"}',
    "https://host/?{%22password%22:%22Tr1cky%22}",
    "https://host/?{'api_key': 'Tr1cky'}",
    "https://host/?x=password:Tr1cky",
    # Lines, and what is glued to an address.
    "https://host/\nUser: me\nPassword: Tr1cky",
    "https://host/\r\nTr1cky",
    "Server=erp01\n;UID=sa;PWD=Tr1cky",
    "https://host/ User: me Password: Tr1cky",
    "https://host/ me Tr1cky",
    # A second address.
    "https://proxy/http://me:Tr1cky@host/",
    "https://proxy/http:/me:Tr1cky@host/",
    "https://host/?redirect=https://me:Tr1cky@x",
    "https://host/?redirect=https%3A%2F%2Fme:Tr1cky%40x",
    "https://host/?redirect=https://me:Tr1/cky@x",
    "Endpoint=sb://me:Tr1cky@bus.example.com/;EntityPath=in",
    "Server=erp01;Proxy=me:Tr1cky@proxy;Encrypt=True",
    # Quotes and elements around it.
    '"Server=erp01;UID=sa;PWD=Tr1cky"',
    "'Server=erp01;UID=sa;PWD=Tr1cky'",
    '<add name="x" connectionString="Server=erp01;User Id=sa;Password=Tr1cky" />',
    # The rest of a password that was cut in two.
    "Data Source=erp01;User ID=sa;Password=x;Tr1cky=x",
    "jdbc:postgresql://db/wms?user=me&password=x&Tr1cky=x",
    "jdbc:sqlserver://erp01;user=sa;password=x;Tr1cky=x",
    "host=db user=me password=x Tr1cky=x",
    "(DESCRIPTION=(ADDRESS=(HOST=ora))(SECURITY=(USER=a)(PASSWORD=x)Tr1cky)))",
    # Keys that are encoded or look like others.
    "https://host/?p%2561ssword=Tr1cky",
    "https://host/?p%252561ssword=Tr1cky",
    "https://host/?p%25252525252561ssword=Tr1cky",
    "https://host/?password\uff1dTr1cky",
    "https://host/?\uff50assword=Tr1cky",
    "Server=erp01;PWD\uff1dTr1cky",
    *(f"https://host/?pass{sign}word=Tr1cky" for sign in INVISIBLE),
    *(f"https://ho{sign}st/?x=Tr1cky" for sign in INVISIBLE),
    # Keys of secrets.
    *(f"https://host/x?{key}=Tr1cky" for key in SECRET_KEYS),
    *(f"Server=erp01;{key}=Tr1cky" for key in SECRET_KEYS if "[" not in key and key not in ("X-API-Key",)),
    "https://host/app;jsessionid=Tr1cky",
    "https://f.azurewebsites.net/api/fn?code=Tr1cky",
    "https://F.AzureWebsites.net:443/api/fn?a=b&code=Tr1cky",
    f"https://functions.example.com/api/fn?code={'Tr1cky' * 7}==",
)
# Addresses whose host some clients do not find, or read as another one.
NO_HOSTS = (
    "https://{tenant}.example.com/users/me@other.example",
    "https://{tenant}.example.com:8080/users/me@other.example",
    "https://api.example.com:{port}/users/me@other.example",
    "https://api.example.com:$PORT/users/me@other.example",
    "https://<tenant>.example.com/a@b",
    "https://a,b/me@c",
    "https://api.example.com:/users/me@other.example",
    "https://api.example.com:4_43/users/me@other.example",
    "https://api.example.com:+443/users/me@other.example",
    "https://api.example.com:\uff14\uff14\uff13/users/me@other.example",
    "https://api:4_43/users/me@other.example",
    "https://evil\u3002example/x",
    "https://evil\u3002example/@api.example.com",
    "https://\uff45vil.example/",
    "https://stra\u00dfe.example/",
    "https://e%76il.example/",
    "https://2001:db8::1/",
    "erp.example.com/users/me@other.example",
)
ORDINARY = (
    *("https://host/x?code=DE", "https://host/x?currency[code]=EUR", "https://host/x?country_code=DE"),
    *(
        "https://host/x?passage=1",
        "https://host/x?compass=1",
        "https://host/x?bypass=1",
        "https://host/x?passenger=2",
    ),
    *(
        "https://host/x?key_id=7",
        "https://host/x?keys=1",
        "https://host/x?sort_key=a",
        "https://host/x?monkey=1",
    ),
    *(
        "https://host/x?author=x",
        "https://host/x?authors=x",
        "https://host/x?keyboard=de",
        "https://host/x?cookies=1",
    ),
    *(
        "https://host/x?sign=1",
        "https://host/x?signin=1",
        "https://host/x?token_type=bearer",
        "https://host/x?design=1",
    ),
    *(
        "https://host/x?filter[name]=a&page[size]=5",
        "https://host/x?time=2026-05-01T12:30:00Z&mail=a@b.example",
    ),
    *(
        "https://host/v1/token:refresh",
        "https://host/v2/img:tag@sha256:abc",
        "https://host/x?to=mailto:a@b.example",
    ),
    *("https://host/?next=https://x/@me", "https://host/?next=https%3A%2F%2Fother.example%2Fa%3Fb%3Dc"),
    *(
        "https://secret.example.com:8443/",
        "https://token:8443/x",
        "token:8080/x",
        "Server=token:5000;Database=x",
    ),
    *("https://m\u00fcnchen.example/x", "https://\u65e5\u672c.example:8443/", "https://erp_01.example.com/"),
    *(
        "https://10.0.0.1:8080",
        "https://[2001:db8::1]:8443/x",
        "https://api.example.com:/x",
        "https://h.azurewebsites.net/",
    ),
    *("jdbc:oracle:thin:@ora:1521:orcl", "jdbc:oracle:thin:@ORCL", "ora:1521:orcl", "//ora:1521/svc"),
    *(
        "jdbc:h2:mem:test",
        "jdbc:h2:~/test",
        "jdbc:sqlite:C:/data/x.db",
        "jdbc:postgresql:///wms",
        "file:///srv/in",
    ),
    *(
        "jdbc:sqlserver://erp01\\WMS:1433;databaseName=x",
        "jdbc:sqlserver://;serverName=erp01;portNumber=1444",
    ),
    *(".", ".\\SQLEXPRESS", "(local)", "(localdb)\\MSSQLLocalDB", "ERP01\\MSSQL$WMS,1433", "fe80::1%eth0"),
    *("Server=.\\SQLEXPRESS;Database=x", "Server=(localdb)\\MSSQLLocalDB;Database=x", "DSN=wms"),
    *("Server=np:\\\\host\\pipe\\sql\\query;Database=x", "Data Source=C:\\my data\\x.accdb;Mode=Read"),
    "Data Source=(DESCRIPTION=(ADDRESS=(PROTOCOL=TCP)(HOST=ora)(PORT=1521))(CONNECT_DATA=(SID=svc)))",
    *(
        "host=/var/run/postgresql dbname=wms",
        "host=db1,db2 port=5432,5433 dbname=wms",
        "postgresql://db/wms?ssl",
    ),
    *(
        "\\\\files\\in\\orders 2024\\x.csv",
        "C:\\data\\sub\\orders 1.mdb",
        "ftp://host/in box",
        "COM3",
        "COM3:9600,8,N,1",
    ),
    *(
        "192.168.0.5:102;rack=0;slot=1",
        "opc.tcp://plc:4840/UA/Server",
        "mongodb+srv://cluster.example.com/db",
    ),
)


@pytest.mark.parametrize("written", [*KEEPS_A_PASSWORD, *NO_HOSTS])
def test_what_keeps_a_password_or_names_no_host_is_refused(written):
    address = parse_address(written)
    assert address.fault
    assert address.may_hold_a_secret
    assert "Tr1cky" not in address.refusal


@pytest.mark.parametrize("written", ORDINARY)
def test_ordinary_addresses_are_taken_as_they_are(written):
    assert parse_address(written)[0] == written
    assert parse_address(written).refusal == ""


@pytest.mark.parametrize(
    ("written", "text", "username", "password"),
    [
        ("Server=erp01;User ID=John Doe;Password=x", "Server=erp01", "John Doe", "x"),
        ("postgresql://me%40example.com:x@host/db", "postgresql://host/db", "me@example.com", "x"),
        ("smtp://apikey:x@smtp.example.com:587", "smtp://smtp.example.com:587", "apikey", "x"),
        ('Server=erp01;UID=DOM\\me;PWD="a;b";Own=1', "Server=erp01;Own=1", "DOM\\me", "a;b"),
        ("Server=erp01;PWD=x;UID=b;Own=1", "Server=erp01;Own=1", "b", "x"),
    ],
)
def test_usual_user_names_and_quoted_passwords_are_taken_out(written, text, username, password):
    address = parse_address(written)
    assert (address.text, address.username, address.password) == (text, username, password)
    assert address.fault == ""


@pytest.mark.parametrize(
    "text",
    [
        *("/https://me:Tr1cky@host/", "?redirect=https://me:Tr1cky@x", "/x?password[]=Tr1cky", "/he\nalth"),
        *(
            "/x?Authorization=Basic%20Tr1cky",
            "/x Password: Tr1cky",
            '?{"password":"Tr1cky"}',
            "/x?p%2561ssword=Tr1cky",
        ),
    ],
)
def test_an_endpoint_keeps_no_password_either(text):
    assert parse_endpoint(text).may_hold_a_secret


@pytest.mark.parametrize("text", ["", "https://idp.example.com/token", " HTTP://idp:8080/x?y=1 "])
def test_a_token_url_is_one_of_http(text):
    assert parse_token_url(text).refusal == ""


@pytest.mark.parametrize(
    "text",
    ["x", "/token", "//idp/token", "ftp://host/", "Server=evil", "https:/idp/x", "https:///x", "idp:443"],
)
def test_no_other_token_url_is_taken(text):
    assert parse_token_url(text).refusal
