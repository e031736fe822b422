"""The keys of connection strings and JDBC URLs, in the form of `secret_names.normalized`."""

from connections.secret_names import PASSWORD_KEYS, USER_KEYS

HOST_KEYS = (
    *("server", "system", "datasource", "address", "addr", "networkaddress"),
    *("host", "hostname", "hostaddr", "servername"),
)
PORT_KEYS = ("port", "portnumber")
DATABASE_KEYS = ("database", "initialcatalog", "dbname", "databasename", "servicename", "sid")

# Keys of Microsoft's SqlClient, ODBC, OLE DB and JDBC drivers.
MICROSOFT = """
    driver dsn filedsn provider encrypt trustservercertificate hostnameincertificate servercertificate
    trustedconnection integratedsecurity persistsecurityinfo multipleactiveresultsets marsconnection
    connecttimeout connectiontimeout timeout commandtimeout logintimeout applicationname app applicationintent
    workstationid wsid currentlanguage language pooling minpoolsize maxpoolsize connectionlifetime
    loadbalancetimeout packetsize multisubnetfailover failoverpartner connectretrycount connectretryinterval
    enlist replication typesystemversion userinstance attachdbfilename contextconnection
    asynchronousprocessing transactionbinding columnencryption authentication authenticationscheme
    instancename selectmethod sendstringparametersasunicode sockettimeout querytimeout locktimeout
    responsebuffering network networklibrary net ansinpw quotedid autotranslate regional description translate
    extendedproperties mode protocol serverspn
"""
# Keys of PostgreSQL, MySQL and MariaDB.
OPEN_SOURCE = """
    sslmode sslcert sslrootcert sslcrl sslfactory ssl sslcompression channelbinding gssencmode
    targetsessionattrs targetservertype loadbalancehosts options currentschema searchpath
    fallbackapplicationname keepalives keepalivesidle keepalivesinterval keepalivescount tcpkeepalive
    tcpusertimeout clientencoding binarytransfer preparethreshold loginhosts readonly stringtype
    rewritebatchedinserts schema service usessl requiressl verifyservercertificate useunicode
    characterencoding servertimezone connectioncollation allowpublickeyretrieval zerodatetimebehavior
    autoreconnect usecompression cacheprepstmts prepstmtcachesize useserverprepstmts rewritebatchedstatements
    allowmultiqueries uselegacydatetimecode uselocalsessionstate allowloadlocalinfile tinyint1isbit
    usecursorfetch defaultfetchsize maxrows charset sslverification allowuservariables convertzerodatetime
    treattinyasboolean oldguids
"""
# Keys of DB2, IBM i, Oracle and message brokers.
OTHERS = """
    defaultcollection libraries library dbq naming dateformat timeformat translatebinary prompt ccsid cmt
    connectiontype currentpackageset retrievemessagesfromserveronlogin sslconnection ssltruststorelocation
    currentfunctionpath proxyserver securitymechanism validateconnection statementpooling decrpoolsize
    incrpoolsize metadatapooling selftuning hapooling readtimeout keepalive clientid cleansession qos
    heartbeat virtualhost vhost authsource replicaset authmechanism tls retrywrites directconnection frame
    rack slot unit unitid
"""
KNOWN_KEYS = frozenset(
    (
        *(HOST_KEYS + PORT_KEYS + DATABASE_KEYS),
        *(USER_KEYS | PASSWORD_KEYS),
        *(MICROSOFT + OPEN_SOURCE + OTHERS).lower().split(),
    )
)
